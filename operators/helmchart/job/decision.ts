/**
 * What a Job does to a release in a certain state: the decision table of klipper-helm, as data. A state that Helm would
 * never leave by itself always has a way on.
 */
import type { ReleaseStatus } from '../release/release.ts'
import type { JobRequest } from './request.ts'

export type Step =
  /** Declares an action that was cut short as failed. */
  | { readonly kind: 'mark-failed'; readonly from: ReleaseStatus }
  | { readonly kind: 'install' }
  | { readonly kind: 'upgrade'; readonly saying: string }
  /** `strict`: what fails here fails the Job. */
  | { readonly kind: 'uninstall'; readonly saying: string; readonly strict: boolean }

export type Decision =
  | { readonly kind: 'act'; readonly steps: readonly Step[] }
  /** Nothing is to be done, or nothing may be. */
  | { readonly kind: 'stop'; readonly exitCode: 0 | 1; readonly saying: string }

export interface LastRevision {
  readonly status: ReleaseStatus
  readonly revision: number
  /** Of the configuration it was made from; empty when nobody said. */
  readonly configHash: string
}

type Asked = Pick<JobRequest, 'action' | 'name' | 'expectedRevision' | 'failurePolicy' | 'configHash'>

export function decide(request: Asked, last: LastRevision | undefined): Decision {
  const { action, expectedRevision } = request
  if (!last) {
    if (action === 'delete') return stop('No helm chart installed; nothing to delete')
    return act({ kind: 'install' })
  }
  if (expectedRevision !== undefined && expectedRevision !== last.revision && !isOwnAttempt(request, last))
    return stop(`Current release revision ${last.revision} does not match expected revision ${expectedRevision}`)
  if (action === 'delete') return act({ kind: 'uninstall', saying: 'Uninstalling helm chart', strict: false })
  return decideInstall(request, last.status)
}

/** An earlier try of the same Job that did not get through: its back-off goes on, where klipper-helm would end it. */
function isOwnAttempt({ action, configHash }: Asked, last: LastRevision): boolean {
  return action === 'install' && configHash !== '' && configHash === last.configHash && last.status !== 'deployed'
}

function decideInstall(request: Asked, status: ReleaseStatus): Decision {
  switch (status) {
    case 'deployed':
      return act({ kind: 'upgrade', saying: 'Upgrading helm chart' })
    case 'pending-upgrade':
    case 'superseded':
      return act({ kind: 'mark-failed', from: status }, { kind: 'upgrade', saying: 'Retrying upgrade of helm chart' })
    case 'pending-install':
    case 'pending-rollback':
    case 'uninstalling':
      return after({ kind: 'mark-failed', from: status }, decideFailed(request, 'failed'))
    case 'failed':
    case 'unknown':
      return decideFailed(request, status)
    case 'uninstalled':
      // Its history was kept, its objects are gone: there is nothing to ask anybody about.
      return reinstall(status)
  }
}

function decideFailed({ name, failurePolicy }: Asked, status: ReleaseStatus): Decision {
  switch (failurePolicy) {
    case 'reinstall':
      return reinstall(status)
    case 'retry':
      return act({ kind: 'upgrade', saying: `Upgrading ${name} from failed state` })
    case 'abort':
      return {
        kind: 'stop',
        exitCode: 1,
        saying: `Release status is '${status}' and failure policy is 'abort'; waiting for operator intervention`,
      }
  }
}

const reinstall = (status: ReleaseStatus): Decision =>
  act({ kind: 'uninstall', saying: `Uninstalling ${status} helm chart`, strict: true }, { kind: 'install' })

function after(first: Step, decision: Decision): Decision {
  return decision.kind === 'act' ? act(first, ...decision.steps) : decision
}

const act = (...steps: readonly Step[]): Decision => ({ kind: 'act', steps })
const stop = (saying: string): Decision => ({ kind: 'stop', exitCode: 0, saying })
