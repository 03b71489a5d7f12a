/** One of the supervisor's routes that need credentials. */
import type { UserInfo } from '../apiserver/auth/user.ts'
import type { ApiRequest, ApiResponse } from '../apiserver/http/message.ts'

export interface Endpoint {
  /** Who may use it: members of any of these groups. */
  readonly groups: readonly string[]
  /** Counts against the limits of requests in flight. */
  readonly limited: boolean
  /** Whoever is on this machine may use it, too. */
  readonly local?: boolean
  readonly answer: (request: ApiRequest, user: UserInfo) => Promise<ApiResponse> | ApiResponse
}

export type Endpoints = ReadonlyMap<string, Endpoint>
