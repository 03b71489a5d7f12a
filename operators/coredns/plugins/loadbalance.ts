/** The loadbalance plugin: address records in another order each time, so that clients that take the first spread over all. */
import { mistake } from '../corefile.ts'
import { rcodes, types } from '../wire/constants.ts'
import type { ResourceRecord } from '../wire/records.ts'
import { type Plugin, type Reply, withReply } from './plugin.ts'
import { noBlock, only } from './settings.ts'

export const loadbalancePlugin: Plugin = {
  name: 'loadbalance',
  setup(directives, { effects }) {
    const directive = only(directives)
    const [policy = 'round_robin'] = directive.args
    if (policy !== 'round_robin' || directive.args.length > 1)
      throw mistake(
        directive,
        `plugin/loadbalance: the policy "${directive.args.join(' ')}" is not supported, want round_robin`,
      )
    noBlock(directive)
    const shuffled = (answer: Reply): Reply => {
      if (answer.rcode !== rcodes.NOERROR || (answer.answers.length < 2 && answer.additionals.length < 2)) return answer
      const many = answer.answers.filter(isAddress).length > 1
      return {
        ...answer,
        answers: spread(answer.answers, effects.random),
        additionals: spread(answer.additionals, effects.random),
        shuffled: many,
      }
    }
    return next => request => withReply(next(request), shuffled)
  },
}

const isAddress = ({ type }: ResourceRecord): boolean => type === types.A || type === types.AAAA

function spread(records: readonly ResourceRecord[], random: () => number): readonly ResourceRecord[] {
  if (records.length < 2) return records
  const of = (wanted: (one: ResourceRecord) => boolean) => records.filter(wanted)
  const isMail = ({ type }: ResourceRecord) => type === types.MX
  const isAlias = ({ type }: ResourceRecord) => type === types.CNAME
  return [
    ...of(isAlias),
    ...of(one => !isAlias(one) && !isAddress(one) && !isMail(one)),
    ...shuffle(of(isAddress), random),
    ...shuffle(of(isMail), random),
  ]
}

function shuffle<T>(list: T[], random: () => number): T[] {
  for (let at = list.length - 1; at > 0; at--) {
    const other = Math.floor(random() * (at + 1))
    ;[list[at], list[other]] = [list[other]!, list[at]!]
  }
  return list
}
