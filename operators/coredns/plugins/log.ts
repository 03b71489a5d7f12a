/** The log plugin: a line per query in CoreDNS' format, of some names and classes of answers if wanted. */
import { type Directive, mistake } from '../corefile.ts'
import { className, rcodeName, typeName } from '../wire/constants.ts'
import { normal, within } from '../wire/names.ts'
import { logClass } from './classify.ts'
import { type Plugin, type Reply, type Request, withReply } from './plugin.ts'
import { someArgs, unknownProperty } from './settings.ts'

const common =
  '{remote}:{port} - {>id} "{type} {class} {name} {proto} {size} {>do} {>bufsize}" {rcode} {>rflags} {rsize} {duration}'
const combined = `${common} "{>opcode}"`

interface Rule {
  readonly scope: string
  readonly format: string
  readonly classes: ReadonlySet<string>
}

export const logPlugin: Plugin = {
  name: 'log',
  setup(directives, { effects }) {
    const rules = directives.flatMap(rulesOf)
    return next => request => {
      const rule = rules.find(({ scope }) => within(request.name, scope))
      if (!rule) return next(request)
      return withReply(next(request), answer => {
        const wanted = rule.classes.has('all') || rule.classes.has(logClass(answer))
        // A line per query needs every query: none is answered before it gets here.
        if (!wanted) return { ...answer, reusableUntil: 0 }
        return {
          ...answer,
          reusableUntil: 0,
          sent: (size, flags) => effects.log.info(line(rule.format, request, answer, size, flags, effects.monotonic())),
        }
      })
    }
  },
}

function rulesOf(directive: Directive): Rule[] {
  const last = directive.args.at(-1)
  const hasFormat = directive.args.length > 1 && last!.includes('{')
  const scopes = hasFormat ? directive.args.slice(0, -1) : directive.args
  const format = hasFormat ? last!.replaceAll('{common}', common).replaceAll('{combined}', combined) : common
  const classes = new Set(directive.block.flatMap(classesOf))
  if (classes.size === 0) classes.add('all')
  return (scopes.length === 0 ? ['.'] : scopes).map(scope => ({ scope: normal(scope), format, classes }))
}

function classesOf(property: Directive): readonly string[] {
  if (property.name !== 'class') throw unknownProperty('log', property)
  const classes = someArgs(property)
  const wrong = classes.find(name => !['all', 'success', 'denial', 'error'].includes(name))
  if (wrong !== undefined)
    throw mistake(property, `plugin/log: invalid Class: ${wrong}, want all, success, denial or error`)
  return classes
}

function line(format: string, request: Request, answer: Reply, size: number, flags: number, now: number): string {
  const value: { readonly [field: string]: () => string | number } = {
    type: () => typeName(request.type),
    name: () => request.name,
    class: () => className(request.class),
    proto: () => request.transport,
    size: () => request.size,
    remote: () => (request.peer.address.includes(':') ? `[${request.peer.address}]` : request.peer.address),
    port: () => request.peer.port,
    '>id': () => request.id,
    '>opcode': () => 0,
    '>do': () => String(request.edns?.dnssecOk === true),
    '>bufsize': () => (request.transport === 'tcp' ? 65_535 : Math.max(512, request.edns?.udpSize ?? 0)),
    rcode: () => rcodeName(answer.rcode),
    rsize: () => size,
    duration: () => `${((now - request.arrived) / 1000).toFixed(9).replace(/0+$/, '')}s`,
    '>rflags': () => flagNames(flags),
  }
  return format.replace(/\{([^{}]+)\}/g, (_, field: string) => String(value[field]?.() ?? '-'))
}

const flagBits: readonly (readonly [number, string])[] = [
  [0x8000, 'qr'],
  [0x0400, 'aa'],
  [0x0200, 'tc'],
  [0x0100, 'rd'],
  [0x0080, 'ra'],
  [0x0040, 'z'],
  [0x0020, 'ad'],
  [0x0010, 'cd'],
]

const flagNames = (word: number): string =>
  flagBits
    .filter(([bit]) => (word & bit) !== 0)
    .map(([, name]) => name)
    .join(',')
