/** The levels a namespace asks for in its labels, and what a pod breaks at one (upstream: k8s.io/pod-security-admission/api). */
import { type FieldError, field } from '../../api/errors.ts'
import type { Pod } from '../../api/types.gen.ts'
import { baselineChecks, type Violation } from './pod-security-baseline.ts'
import { restrictedChecks } from './pod-security-restricted.ts'

const prefix = 'pod-security.kubernetes.io/'
const levels = ['privileged', 'baseline', 'restricted']

export type Mode = 'enforce' | 'audit' | 'warn'

export interface Policy {
  readonly level: string
  readonly version: string
}

type Labels = { readonly [key: string]: string } | undefined

/** The policy of one mode; a level that is not known counts as the strictest. */
export function policyOf(labels: Labels, mode: Mode): Policy {
  const level = labels?.[prefix + mode] ?? 'privileged'
  const version = labels?.[`${prefix}${mode}-version`] ?? 'latest'
  return { level: levels.includes(level) ? level : 'restricted', version }
}

export const policyText = ({ level, version }: Policy): string => `${level}:${version}`

/** Whether `next` forbids more than `before`. */
export function isStricter(next: Policy, before: Policy): boolean {
  return levels.indexOf(next.level) > levels.indexOf(before.level)
}

/** What is wrong with a namespace's labels. */
export function labelProblems(labels: Labels): FieldError[] {
  return (['enforce', 'audit', 'warn'] as const).flatMap(mode => {
    const [level, version] = [labels?.[prefix + mode], labels?.[`${prefix}${mode}-version`]]
    const path = `metadata.labels[${prefix}${mode}`
    return [
      ...(level === undefined || levels.includes(level)
        ? []
        : [field.invalid(`${path}]`, level, `must be one of ${levels.join(', ')}`)]),
      ...(version === undefined || /^(latest|v1\.(0|[1-9]\d*))$/.test(version)
        ? []
        : [field.invalid(`${path}-version]`, version, 'must be "latest" or "v1.x"')]),
    ]
  })
}

/** What a pod breaks at a level. */
export function violationsOf(pod: Pod, level: string): Violation[] {
  const checks = level === 'baseline' ? baselineChecks : level === 'restricted' ? restrictedChecks : []
  return checks.flatMap(([, check]) => check(pod) ?? [])
}

/** The same in one line; empty when nothing is broken. */
export function violations(pod: Pod, level: string): string {
  return violationsOf(pod, level)
    .map(({ reason, detail }) => `${reason} (${detail})`)
    .join(', ')
}
