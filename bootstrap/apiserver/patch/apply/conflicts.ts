/** The 409 of an apply that would take fields from their owners. */
import { failure, type StatusError } from '../../../api/errors.ts'
import type { Manager } from './managers.ts'
import { pathText } from './path.ts'

export interface Conflict {
  readonly manager: Manager
  readonly path: readonly string[]
}

/** One cause per conflict; the message groups them by manager. */
export function conflictError(conflicts: readonly Conflict[]): StatusError {
  const causes = conflicts.map(({ manager, path }) => ({
    reason: 'FieldManagerConflict',
    message: `conflict with ${managerText(manager)}`,
    field: pathText(path),
  }))
  return failure(409, 'Conflict', messageOf(conflicts), { causes })
}

function messageOf(conflicts: readonly Conflict[]): string {
  if (conflicts.length === 1) {
    const { manager, path } = conflicts[0]!
    return `Apply failed with 1 conflict: conflict with ${managerText(manager)}: ${pathText(path)}`
  }
  const groups = Map.groupBy(conflicts, ({ manager }) => managerText(manager))
  const lines = [...groups.keys()].sort().flatMap(manager => {
    const paths = groups.get(manager)!.map(({ path }) => `- ${pathText(path)}`)
    return [`conflicts with ${manager}:`, ...paths]
  })
  return `Apply failed with ${conflicts.length} conflicts: ${lines.join('\n')}`
}

function managerText({ name, operation, apiVersion, subresource }: Manager): string {
  const subject = JSON.stringify(name) + (subresource === '' ? '' : ` with subresource ${JSON.stringify(subresource)}`)
  return operation === 'Update' ? `${subject} using ${apiVersion}` : subject
}
