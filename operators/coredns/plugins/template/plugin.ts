/** The template plugin: answers made from the question by patterns and templates. */
import { labelText } from '../../../../bootstrap/metrics.ts'
import { type Directive, mistake } from '../../corefile.ts'
import {
  classes,
  className,
  classNumber,
  rcodeNumber,
  rcodes,
  typeName,
  typeNumber,
  types,
} from '../../wire/constants.ts'
import { within, zoneOf } from '../../wire/names.ts'
import { type ResourceRecord, u16 } from '../../wire/records.ts'
import { parseRecord } from '../../wire/text.ts'
import { type Block, failure, type Plugin, type Reply, type Request, reply } from '../plugin.ts'
import {
  expression,
  type Fallthrough,
  fallthroughOf,
  integer,
  oneArg,
  someArgs,
  unknownProperty,
  zonesOr,
} from '../settings.ts'
import { compileTemplate } from './gotemplate.ts'
import type { Value } from './values.ts'

type Section = 'answer' | 'additional' | 'authority'
type Fill = (data: Value) => string

interface Template {
  readonly class: number
  readonly type: number
  readonly zones: readonly string[]
  readonly patterns: readonly RegExp[]
  readonly sections: { readonly [section in Section]: readonly Fill[] }
  readonly rcode: number
  readonly extendedError: { readonly code: number; readonly reason: string } | undefined
  readonly fallthrough: Fallthrough
}

export const templatePlugin: Plugin = {
  name: 'template',
  setup(directives, block) {
    const templates = directives.map(directive => templateOf(directive, block))
    return next => request => {
      for (const template of templates) {
        const zone = zoneOf(request.name, template.zones)
        if (zone === undefined || !concerns(template, request)) continue
        const data = dataOf(template, request, zone)
        if (data) return answer(template, data, request, block)
        if (!template.fallthrough.some(passed => within(request.name, passed)))
          return failure('template', rcodes.SERVFAIL)
      }
      return next(request)
    }
  },
}

function templateOf(directive: Directive, block: Block): Template {
  const [classText = '', typeText = '', ...zones] = directive.args
  const wantedClass = classNumber(classText)
  const wantedType = typeNumber(typeText)
  if (wantedClass === undefined) throw mistake(directive, `plugin/template: invalid query class ${classText}`)
  if (wantedType === undefined) throw mistake(directive, `plugin/template: invalid RR class ${typeText}`)
  const sections: { [section in Section]: Fill[] } = { answer: [], additional: [], authority: [] }
  const patterns: RegExp[] = []
  let rcode: number = rcodes.NOERROR
  let extendedError: Template['extendedError']
  let fallthrough: Fallthrough = []
  for (const property of directive.block) {
    switch (property.name) {
      case 'match':
        patterns.push(...someArgs(property).map(text => expression(property, text)))
        break
      case 'answer':
      case 'additional':
      case 'authority':
        sections[property.name].push(...someArgs(property).map(text => compiled(property, text)))
        break
      case 'rcode': {
        const number = rcodeNumber(oneArg(property))
        if (number === undefined) throw mistake(property, `plugin/template: unknown rcode ${property.args[0]}`)
        rcode = number
        break
      }
      case 'ederror': {
        const [code, reason = ''] = someArgs(property, 1, 2)
        extendedError = { code: integer(property, code, 0, 65_535), reason }
        break
      }
      case 'fallthrough':
        fallthrough = fallthroughOf(property)
        break
      case 'upstream':
        break
      default:
        throw unknownProperty('template', property)
    }
  }
  return {
    class: wantedClass,
    type: wantedType,
    zones: zonesOr(directive, zones, block.zones),
    patterns: patterns.length > 0 ? patterns : [/.*/],
    sections,
    rcode,
    extendedError,
    fallthrough,
  }
}

function compiled(property: Directive, text: string): Fill {
  try {
    return compileTemplate(text)
  } catch (error) {
    throw mistake(property, `plugin/template: could not compile template: ${text}: ${(error as Error).message}`)
  }
}

const concerns = (template: Template, request: Request): boolean =>
  (template.class === classes.ANY || request.class === template.class) &&
  (template.type === types.ANY || request.type === types.ANY || request.type === template.type)

function dataOf(template: Template, request: Request, zone: string): { readonly [field: string]: Value } | undefined {
  for (const pattern of template.patterns) {
    const match = pattern.exec(request.name)
    if (!match) continue
    const groups = Array.from(match, group => group ?? '')
    return {
      Zone: zone,
      Name: request.name,
      Regex: pattern.source,
      Match: groups,
      Group: { ...Object.fromEntries(groups.entries()), ...match.groups },
      Class: className(request.class),
      Type: typeName(request.type === types.ANY ? template.type : request.type),
      Question: { Name: request.asked, Qtype: request.type, Qclass: request.class },
      Message: { Id: request.id },
      Remote: request.peer.address,
    }
  }
  return undefined
}

async function withTargets(
  records: readonly ResourceRecord[],
  request: Request,
  block: Block,
): Promise<ResourceRecord[]> {
  const lists = await Promise.all(
    records.map(async one => {
      const target = one.data[0]
      if (one.type !== types.CNAME || typeof target !== 'string') return [one]
      return [one, ...(await block.lookup(request, target, request.type)).answers]
    }),
  )
  return lists.flat()
}

function answer(
  template: Template,
  data: { readonly [field: string]: Value },
  request: Request,
  block: Block,
): Reply | Promise<Reply> {
  const { metrics } = block.effects
  const labels = labelText({
    server: block.server,
    zone: String(data.Zone),
    view: '',
    class: String(data.Class),
    type: String(data.Type),
  })
  metrics.count('coredns_template_matches_total', 'Counter of template regex matches.', labels)
  if (template.rcode === rcodes.SERVFAIL) return failure('template', rcodes.SERVFAIL)
  const records = (section: Section): ResourceRecord[] =>
    template.sections[section].map(fill => parseRecord(fill(data)))
  try {
    const [answers, additionals, authorities] = [records('answer'), records('additional'), records('authority')]
    const { extendedError } = template
    const whole = (list: readonly ResourceRecord[]): Reply =>
      reply('template', {
        rcode: template.rcode,
        authoritative: true,
        answers: list,
        additionals,
        authorities,
        ...(extendedError
          ? {
              options: [
                { code: 15, data: Buffer.concat([u16(extendedError.code), Buffer.from(extendedError.reason)]) },
              ],
            }
          : {}),
      })
    const follows =
      (request.type === types.A || request.type === types.AAAA) && answers.some(({ type }) => type === types.CNAME)
    return follows ? withTargets(answers, request, block).then(whole) : whole(answers)
  } catch (error) {
    metrics.count('coredns_template_failures_total', 'Counter of go template failures.', labels)
    return failure('template', rcodes.SERVFAIL, (error as Error).message)
  }
}
