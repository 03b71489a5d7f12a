/** What the local load balancer thinks of one server, and what changes its mind (k3s-behaviour 1.15). */
import { assertNever } from '../api/object.ts'

export type ServerState =
  /** Known since a moment ago; nothing was tried yet. */
  | { readonly kind: 'unchecked' }
  /** The last dial or health check failed. */
  | { readonly kind: 'failed' }
  /** The configured URL while it is not among the cluster's servers: used when all others fail. */
  | { readonly kind: 'standby' }
  /** Answered once since it failed. */
  | { readonly kind: 'recovering' }
  | { readonly kind: 'healthy' }
  /** Back for a moment: the others may be the next to be taken down for maintenance. */
  | { readonly kind: 'preferred'; readonly until: number }
  /** New connections go there. */
  | { readonly kind: 'active' }

export type ServerEvent = 'connected' | 'failed' | 'checked' | 'succeeded'

const preferredMs = 60_000

/**
 * The state after an event: "connected" and "failed" tell of dials, "failed" and "checked" of health checks, "succeeded" that
 * another server is the active one now. `now` in epoch milliseconds.
 */
export function after(state: ServerState, event: ServerEvent, now: number): ServerState {
  if (state.kind === 'standby') return state
  switch (event) {
    case 'connected':
      return { kind: 'active' }
    case 'failed':
      return { kind: 'failed' }
    case 'checked':
      return checked(state, now)
    case 'succeeded':
      return state.kind === 'active' ? { kind: 'healthy' } : state
    default:
      return assertNever(event)
  }
}

function checked(state: Exclude<ServerState, { kind: 'standby' }>, now: number): ServerState {
  switch (state.kind) {
    case 'failed':
      return { kind: 'recovering' }
    case 'recovering':
      return { kind: 'preferred', until: now + preferredMs }
    case 'unchecked':
      return { kind: 'healthy' }
    case 'preferred':
      return state.until > now ? state : { kind: 'healthy' }
    case 'healthy':
    case 'active':
      return state
    default:
      return assertNever(state)
  }
}

/** The value of k3s_loadbalancer_server_health; also the order in which servers are tried, the highest first. */
export function healthValue(state: ServerState): number {
  switch (state.kind) {
    case 'failed':
      return 1
    case 'standby':
      return 2
    case 'unchecked':
      return 3
    case 'recovering':
      return 4
    case 'healthy':
      return 5
    case 'preferred':
      return 6
    case 'active':
      return 7
    default:
      return assertNever(state)
  }
}
