/** What is said of an object while one waits for it, and how its status is read. */
import type { KubeObject } from '../../../../bootstrap/api/object.ts'

export type ReadinessStatus = 'InProgress' | 'Failed' | 'Current' | 'Terminating' | 'NotFound' | 'Unknown'

export interface Readiness {
  readonly status: ReadinessStatus
  readonly message: string
}

export const current = (message: string): Readiness => ({ status: 'Current', message })
export const failed = (message: string): Readiness => ({ status: 'Failed', message })
export const inProgress = (message: string): Readiness => ({ status: 'InProgress', message })

export interface Condition {
  readonly type: string
  readonly status: string
  readonly reason: string
  readonly message: string
}

export function conditionsOf(object: KubeObject): Condition[] {
  const { conditions } = objectOf(object.status)
  if (!Array.isArray(conditions)) return []
  return conditions.map(objectOf).map(({ type, status, reason, message }) => ({
    type: textOf(type),
    status: textOf(status),
    reason: textOf(reason),
    message: textOf(message),
  }))
}

export function objectOf(value: unknown): { readonly [field: string]: unknown } {
  return typeof value === 'object' && value !== null ? (value as { [field: string]: unknown }) : {}
}

export const textOf = (value: unknown) => (typeof value === 'string' ? value : '')
export const numberOf = (value: unknown, otherwise: number) => (typeof value === 'number' ? value : otherwise)
