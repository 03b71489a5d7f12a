/** What releases may be called and labelled. */
import { systemLabels } from './storage.ts'

const pattern = '^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$'
const syntax = new RegExp(pattern)
const maxLength = 53

/** Why a release cannot have this name, in Helm's words; undefined when it can. */
export function nameProblem(name: string): string | undefined {
  if (name === '') return 'no name provided'
  if (name.length <= maxLength && syntax.test(name)) return undefined
  return `invalid release name, must match regex ${pattern} and the length must not be longer than ${maxLength}`
}

/** Throws when a user sets one of Helm's own labels. */
export function checkLabels(labels: { readonly [name: string]: string } = {}): void {
  if (Object.keys(labels).some(label => systemLabels.includes(label)))
    throw new Error(
      `user supplied labels contains system reserved label name. System labels: [${systemLabels.join(' ')}]`,
    )
}
