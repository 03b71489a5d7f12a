/** Timestamps as the API writes them. */

/** Milliseconds since the epoch as metav1.Time: UTC, whole seconds. */
export function timestamp(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`
}

/** Milliseconds since the epoch as metav1.MicroTime: UTC, six digits. */
export function microTimestamp(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 23)}000Z`
}

/** A timestamp in milliseconds since the epoch; 0 when there is none. */
export function millis(time: string | undefined): number {
  return time === undefined ? 0 : Date.parse(time)
}
