/** The errors plugin: failures in the log, one line each; those of one pattern can be counted instead. */
import { type Directive, mistake } from '../corefile.ts'
import { typeName } from '../wire/constants.ts'
import { type LogLines, type Plugin, type Reply, type Request, withReply } from './plugin.ts'
import { duration, expression, noArgs, only, someArgs, unknownProperty } from './settings.ts'

interface Consolidation {
  readonly periodMs: number
  readonly pattern: RegExp
  readonly level: keyof LogLines
  count: number
  timer: NodeJS.Timeout | undefined
}

export const errorsPlugin: Plugin = {
  name: 'errors',
  setup(directives, block) {
    const directive = only(directives)
    const [target] = directive.args
    if (target !== undefined && target !== 'stdout')
      throw mistake(directive, `plugin/errors: can only log to stdout, not to ${target}`)
    const rules = directive.block.flatMap(consolidation)
    block.onStart(signal => {
      signal.addEventListener('abort', () => rules.map(rule => clearTimeout(rule.timer)), { once: true })
    })
    const report = (request: Request, answer: Reply): Reply => {
      if (answer.error === undefined) return answer
      const { log } = block.effects
      const rule = rules.find(({ pattern }) => pattern.test(answer.error!))
      if (rule) consolidate(rule, log)
      else log.error(`plugin/errors: ${answer.rcode} ${request.name} ${typeName(request.type)}: ${answer.error}`)
      return answer
    }
    return next => request => withReply(next(request), answer => report(request, answer))
  },
}

function consolidation(property: Directive): Consolidation[] {
  if (property.name === 'stacktrace') {
    noArgs(property)
    return []
  }
  if (property.name !== 'consolidate') throw unknownProperty('errors', property)
  const [period, pattern, level = 'error'] = someArgs(property, 2, 3)
  const levels: { readonly [level: string]: keyof LogLines } = {
    info: 'info',
    debug: 'info',
    warning: 'warning',
    error: 'error',
  }
  const chosen = levels[level]
  if (!chosen) throw mistake(property, `plugin/errors: unknown log level argument in consolidate: ${level}`)
  return [
    {
      periodMs: duration(property, period),
      pattern: expression(property, pattern!),
      level: chosen,
      count: 0,
      timer: undefined,
    },
  ]
}

function consolidate(rule: Consolidation, log: LogLines): void {
  rule.count++
  rule.timer ??= setTimeout(() => {
    log[rule.level](
      `plugin/errors: ${rule.count} errors like '${rule.pattern.source}' occurred in last ${rule.periodMs / 1000}s`,
    )
    rule.count = 0
    rule.timer = undefined
  }, rule.periodMs)
  rule.timer.unref()
}
