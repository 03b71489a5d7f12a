import { describe, expect, test } from '@jest/globals'
import type { FailurePolicy } from '../helm-chart.ts'
import type { ReleaseStatus } from '../release/release.ts'
import { type Decision, decide } from './decision.ts'

const asked = {
  action: 'install',
  name: 'web',
  expectedRevision: 3,
  failurePolicy: 'reinstall' as FailurePolicy,
  configHash: 'OURS',
} as const
const at = (revision: number, status: ReleaseStatus = 'deployed', configHash = 'THEIRS') => ({
  status,
  revision,
  configHash,
})
const text = (decision: Decision): string =>
  decision.kind === 'stop'
    ? `exit ${decision.exitCode}: ${decision.saying}`
    : decision.steps.map(step => ('saying' in step ? `${step.kind} (${step.saying})` : step.kind)).join(', ')

describe('install', () => {
  const reinstall = (status: string) => `uninstall (Uninstalling ${status} helm chart), install`
  const failed = `mark-failed, ${reinstall('failed')}`
  const abort = (status: string) =>
    `exit 1: Release status is '${status}' and failure policy is 'abort'; waiting for operator intervention`
  const retry = 'upgrade (Upgrading web from failed state)'

  test.each<[ReleaseStatus, FailurePolicy, string]>([
    ['deployed', 'reinstall', 'upgrade (Upgrading helm chart)'],
    ['deployed', 'abort', 'upgrade (Upgrading helm chart)'],
    ['pending-upgrade', 'abort', 'mark-failed, upgrade (Retrying upgrade of helm chart)'],
    ['superseded', 'reinstall', 'mark-failed, upgrade (Retrying upgrade of helm chart)'],
    ['pending-install', 'reinstall', failed],
    ['pending-install', 'retry', `mark-failed, ${retry}`],
    ['pending-install', 'abort', abort('failed')],
    ['pending-rollback', 'reinstall', failed],
    ['uninstalling', 'reinstall', failed],
    ['failed', 'reinstall', reinstall('failed')],
    ['failed', 'retry', retry],
    ['failed', 'abort', abort('failed')],
    ['unknown', 'reinstall', reinstall('unknown')],
    ['unknown', 'abort', abort('unknown')],
    ['uninstalled', 'abort', reinstall('uninstalled')],
  ])('%s with policy %s: %s', (status, failurePolicy, wanted) => {
    expect(text(decide({ ...asked, failurePolicy }, at(3, status)))).toBe(wanted)
  })

  test('nothing there, whatever was expected', () => {
    expect(text(decide(asked, undefined))).toBe('install')
  })
})

describe('delete', () => {
  const remove = { ...asked, action: 'delete' } as const
  test.each<ReleaseStatus>(['deployed', 'failed', 'pending-install', 'uninstalling', 'uninstalled'])('%s', status => {
    expect(text(decide(remove, at(3, status)))).toBe('uninstall (Uninstalling helm chart)')
  })

  test('nothing there', () => {
    expect(text(decide(remove, undefined))).toBe('exit 0: No helm chart installed; nothing to delete')
  })
})

describe('another revision than expected', () => {
  test.each(['install', 'delete'] as const)('%s does nothing', action => {
    expect(text(decide({ ...asked, action }, at(4)))).toBe(
      'exit 0: Current release revision 4 does not match expected revision 3',
    )
  })

  test('any will do where none is expected', () => {
    const decision = decide({ ...asked, expectedRevision: undefined }, at(4))
    expect(text(decision)).toBe('upgrade (Upgrading helm chart)')
  })

  test.each<[ReleaseStatus, string]>([
    ['failed', 'uninstall (Uninstalling failed helm chart), install'],
    ['pending-upgrade', 'mark-failed, upgrade (Retrying upgrade of helm chart)'],
    ['deployed', 'exit 0: Current release revision 4 does not match expected revision 3'],
  ])('%s by an earlier try of the same Job', (status, wanted) => {
    expect(text(decide(asked, at(4, status, 'OURS')))).toBe(wanted)
  })
})
