/** Where HAProxy listens and what it calls itself. */
export interface Surface {
  /** Addresses of the pod to listen on. */
  readonly addresses: readonly string[]
  /** Where sockets are; the path must be short. */
  readonly runDir: string
  /** X-Forwarded-Server. */
  readonly hostname: string
}
