/** What sort of answer a reply is, as the cache and the log see it. */
import { rcodes, types } from '../wire/constants.ts'
import type { Reply } from './plugin.ts'

export type ReplyKind = 'noError' | 'delegation' | 'nameError' | 'noData' | 'serverError' | 'otherError'

export function classify({ rcode, answers, authorities }: Reply): ReplyKind {
  if (rcode === rcodes.NOERROR && answers.length > 0) return 'noError'
  const soa = authorities.some(({ type }) => type === types.SOA)
  if (soa && rcode === rcodes.NOERROR) return 'noData'
  if (soa && rcode === rcodes.NXDOMAIN) return 'nameError'
  if (rcode === rcodes.SERVFAIL || rcode === rcodes.NOTIMP) return 'serverError'
  if (rcode !== rcodes.NOERROR) return 'otherError'
  return authorities.length > 0 && authorities.every(({ type }) => type === types.NS) ? 'delegation' : 'noError'
}

/** The classes of the log plugin. */
export function logClass(reply: Reply): 'success' | 'denial' | 'error' {
  const kind = classify(reply)
  if (kind === 'noError' || kind === 'delegation') return 'success'
  return kind === 'nameError' || kind === 'noData' ? 'denial' : 'error'
}
