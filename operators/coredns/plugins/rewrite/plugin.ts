/** The rewrite plugin: questions are changed on their way in, answers on their way out. */
import { rcodes } from '../../wire/constants.ts'
import { isName } from '../../wire/names.ts'
import { failure, type Plugin, type Reply, type Request, withReply } from '../plugin.ts'
import { rewriteRule } from './parse.ts'
import type { RecordRule, Rule } from './rules.ts'

export const rewritePlugin: Plugin = {
  name: 'rewrite',
  setup(directives) {
    const rules = directives.map(rewriteRule)
    return next => request => {
      const { request: changed, records, replies } = rewritten(rules, request)
      if (changed === request && records.length === 0 && replies.length === 0) return next(request)
      if (!isName(changed.name))
        return failure('rewrite', rcodes.SERVFAIL, `invalid name after rewrite: ${changed.name}`)
      return withReply(next(changed), answer => restored(answer, records, replies))
    }
  },
}

function rewritten(rules: readonly Rule[], original: Request) {
  let request = original
  const records: RecordRule[] = []
  const replies: ((reply: Reply) => Reply)[] = []
  for (const rule of rules) {
    const result = rule.apply(request)
    if (!result) continue
    request = result.request
    records.push(...result.records)
    if (result.reply) replies.push(result.reply)
    if (rule.mode === 'stop') break
  }
  return { request, records, replies }
}

/** Rules are undone in reverse. */
function restored(answer: Reply, rules: readonly RecordRule[], replies: readonly ((reply: Reply) => Reply)[]): Reply {
  const each = (list: Reply['answers']) =>
    list.map(record => rules.reduceRight((changed, rule) => rule(changed), record))
  const changed: Reply =
    rules.length === 0
      ? answer
      : {
          ...answer,
          answers: each(answer.answers),
          authorities: each(answer.authorities),
          additionals: each(answer.additionals),
        }
  return replies.reduceRight((reply, rule) => rule(reply), changed)
}
