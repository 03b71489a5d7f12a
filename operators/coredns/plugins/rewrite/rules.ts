/** What the rewrite plugin's rules do: change a request, and undo or change things in its answer. */
import type { ResourceRecord } from '../../wire/records.ts'
import type { Reply, Request } from '../plugin.ts'

/** Changes one record of the answer. */
export type RecordRule = (record: ResourceRecord) => ResourceRecord

export interface Rewritten {
  readonly request: Request
  readonly records: readonly RecordRule[]
  readonly reply?: (reply: Reply) => Reply
}

export interface Rule {
  /** Whether rules after a match are tried as well. */
  readonly mode: 'stop' | 'continue'
  /** Undefined: the rule does not match. */
  apply(request: Request): Rewritten | undefined
}

export const renamed = (request: Request, name: string): Request => ({
  ...request,
  name: name.toLowerCase(),
  asked: name,
})

type Change = (text: string) => string

/** Owner names go through `change`. */
export const ownerRule =
  (change: Change): RecordRule =>
  record => {
    const name = change(record.name)
    return name === record.name ? record : { ...record, name }
  }

/** The first name in a record's data (target, exchange, server) goes through `change`. */
export const valueRule =
  (change: Change): RecordRule =>
  record => {
    const at = record.data.findIndex(part => typeof part === 'string')
    if (at < 0) return record
    const value = change(record.data[at] as string)
    return value === record.data[at] ? record : { ...record, data: record.data.with(at, value) }
  }

/** The name that was put into the question becomes what was asked again, and so do names below it. */
export const remap =
  (from: string, to: string): Change =>
  text => {
    if (text.toLowerCase() === from.toLowerCase()) return to
    return text.toLowerCase().endsWith(`.${from.toLowerCase()}`) ? text.slice(0, -from.length) + to : text
  }

export const swapSuffix =
  (from: string, to: string): Change =>
  text =>
    text.toLowerCase().endsWith(from) ? text.slice(0, text.length - from.length) + to : text

/** The whole text becomes `to`, with {0}, {1} from the pattern's groups. */
export const byPattern =
  (pattern: RegExp, to: string): Change =>
  text => {
    const groups = pattern.exec(text)
    return groups ? fill(to, groups) : text
  }

export const fill = (to: string, groups: readonly (string | undefined)[]): string =>
  groups.reduce<string>((text, group, index) => text.replaceAll(`{${index}}`, group ?? ''), to)
