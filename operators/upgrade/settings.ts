/** What users of the system-upgrade-controller set in its environment, or in the ConfigMap that its manifest puts there. */
import { parseDuration } from '../../bootstrap/api/time.ts'

export interface Settings {
  readonly activeDeadlineSeconds: number
  /** 0: none. */
  readonly activeDeadlineSecondsMax: number
  readonly backoffLimit: number
  readonly imagePullPolicy: string
  /** Of the containers `drain` and `cordon`; undefined: the embedded module where the cluster has it. */
  readonly kubectlImage: string | undefined
  readonly kubectlImageWindows: string | undefined
  readonly privileged: boolean
  readonly podReplacementPolicy: string
  readonly ttlSecondsAfterFinished: number
  readonly pollingIntervalMs: number
}

export type Environment = { readonly [name: string]: string | undefined }

/** The ConfigMap of upstream's manifest that holds the environment of the controller. */
export const environmentConfigMap = 'default-controller-env'

const prefix = 'SYSTEM_UPGRADE_JOB_'
const shortestPollMs = 60_000

/** Bad values count as absent, as upstream has it; `complain` is told of them. */
export function settingsOf(env: Environment, complain: (problem: string) => void): Settings {
  const number = (name: string, otherwise: number): number => {
    const text = env[`${prefix}${name}`]
    if (text === undefined) return otherwise
    if (/^[+-]?\d+$/.test(text)) return Number(text)
    complain(`${prefix}${name}: ${JSON.stringify(text)} is not a number`)
    return otherwise
  }
  const text = (name: string): string | undefined => env[`${prefix}${name}`] || undefined
  return {
    activeDeadlineSeconds: number('ACTIVE_DEADLINE_SECONDS', 600),
    activeDeadlineSecondsMax: number('ACTIVE_DEADLINE_SECONDS_MAX', 0),
    backoffLimit: number('BACKOFF_LIMIT', 2),
    imagePullPolicy: text('IMAGE_PULL_POLICY') ?? 'IfNotPresent',
    kubectlImage: text('KUBECTL_IMAGE'),
    kubectlImageWindows: text('KUBECTL_IMAGE_WINDOWS'),
    privileged: boolean(env, 'PRIVILEGED', complain),
    podReplacementPolicy: text('POD_REPLACEMENT_POLICY') ?? 'TerminatingOrFailed',
    ttlSecondsAfterFinished: number('TTL_SECONDS_AFTER_FINISH', 900),
    pollingIntervalMs: pollingInterval(env, complain),
  }
}

function boolean(env: Environment, name: string, complain: (problem: string) => void): boolean {
  const text = env[`${prefix}${name}`]
  if (text === undefined || /^(1|t|true)$/i.test(text)) return true
  if (/^(0|f|false)$/i.test(text)) return false
  complain(`${prefix}${name}: ${JSON.stringify(text)} is neither true nor false`)
  return true
}

function pollingInterval(env: Environment, complain: (problem: string) => void): number {
  const usual = 15 * 60_000
  const text = env.SYSTEM_UPGRADE_PLAN_POLLING_INTERVAL
  if (text === undefined) return usual
  const ms = parseDuration(text)
  if (ms === undefined) complain(`SYSTEM_UPGRADE_PLAN_POLLING_INTERVAL: ${JSON.stringify(text)} is not a duration`)
  return ms !== undefined && ms > shortestPollMs ? ms : usual
}
