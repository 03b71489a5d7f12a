/** Reading the settings of plugins, with errors that name file and line. */
import { isIP } from 'node:net'
import { parseDuration } from '../../../bootstrap/api/time.ts'
import { type Directive, mistake } from '../corefile.ts'
import { isName, normal } from '../wire/names.ts'

/** The one directive of a plugin that may be there once. */
export function only([first, second]: readonly [Directive, ...Directive[]]): Directive {
  if (second) throw mistake(second, `plugin/${second.name}: this plugin can only be used once per server block`)
  return first
}

export function noArgs(directive: Directive): void {
  if (directive.args.length > 0)
    throw mistake(directive, `${directive.name} takes no arguments, found "${directive.args[0]}"`)
}

export function noBlock(directive: Directive): void {
  const [first] = directive.block
  if (first) throw mistake(first, `${directive.name} has no property "${first.name}"`)
}

export function oneArg(directive: Directive): string {
  const [arg] = directive.args
  if (arg === undefined || directive.args.length > 1)
    throw mistake(directive, `${directive.name} takes one argument, found ${directive.args.length}`)
  return arg
}

export function someArgs(directive: Directive, least = 1, most = Number.POSITIVE_INFINITY): readonly string[] {
  if (directive.args.length < least || directive.args.length > most)
    throw mistake(directive, `${directive.name} has the wrong number of arguments: ${directive.args.length}`)
  return directive.args
}

export function unknownProperty(plugin: string, property: Directive): Error {
  return mistake(property, `plugin/${plugin}: unknown property '${property.name}'`)
}

/** A whole number within limits. */
export function integer(directive: Directive, text: string | undefined, least: number, most = 2 ** 31): number {
  if (text === undefined || !/^-?\d+$/.test(text) || Number(text) < least || Number(text) > most)
    throw mistake(directive, `${directive.name} wants a whole number from ${least} to ${most}, found "${text ?? ''}"`)
  return Number(text)
}

/** A duration as Go writes it ("1m30s") in milliseconds. */
export function duration(directive: Directive, text: string | undefined): number {
  const ms = text === undefined ? undefined : parseDuration(text)
  if (ms === undefined || ms < 0)
    throw mistake(directive, `${directive.name} wants a duration like 30s or 1m30s, found "${text ?? ''}"`)
  return ms
}

/** Zones as arguments, or those of the server block. */
export function zonesOr(directive: Directive, args: readonly string[], fallback: readonly string[]): readonly string[] {
  return args.length === 0 ? fallback : args.flatMap(arg => zonesOf(directive, arg))
}

/** The zones that a text stands for: a name, or the reverse zones of a network. */
export function zonesOf(directive: { file: string; line: number }, text: string): readonly string[] {
  const network = /^(.+)\/(\d+)$/.exec(text)
  if (network && isIP(network[1]!) !== 0) return reverseZones(directive, network[1]!, Number(network[2]))
  if (text === '.' || text === '') return ['.']
  if (!isName(text)) throw mistake(directive, `"${text}" is no zone`)
  return [normal(text)]
}

function reverseZones(directive: { file: string; line: number }, ip: string, prefix: number): string[] {
  const six = isIP(ip) === 6
  if (six || prefix > 32) {
    if (!six || prefix > 128 || prefix % 4 !== 0)
      throw mistake(directive, `"${ip}/${prefix}" is no network of whole digits`)
    const [head = '', tail = ''] = ip.split('::')
    const groups = (part: string) => (part === '' ? [] : part.split(':'))
    const fill = Array<string>(Math.max(0, 8 - groups(head).length - groups(tail).length)).fill('0')
    const digits = [...groups(head), ...fill, ...groups(tail)]
      .map(group => group.padStart(4, '0'))
      .join('')
      .toLowerCase()
    return [
      `${digits
        .slice(0, prefix / 4)
        .split('')
        .reverse()
        .map(digit => `${digit}.`)
        .join('')}ip6.arpa.`,
    ]
  }
  const octets = ip.split('.').map(Number)
  const whole = Math.floor(prefix / 8)
  const rest = prefix % 8
  const above = octets.slice(0, whole)
  const zone = (list: readonly number[]) =>
    `${[...list]
      .reverse()
      .map(octet => `${octet}.`)
      .join('')}in-addr.arpa.`
  if (rest === 0) return [zone(above)]
  const span = 2 ** (8 - rest)
  const first = Math.floor(octets[whole]! / span) * span
  return Array.from({ length: span }, (_, index) => zone([...above, first + index]))
}

/** Which names a plugin without an answer passes on. */
export type Fallthrough = readonly string[]

export const fallthroughOf = (directive: Directive): Fallthrough =>
  directive.args.length === 0 ? ['.'] : directive.args.flatMap(arg => zonesOf(directive, arg))

/** A regular expression in Go's syntax as far as JavaScript has it. */
export function expression(directive: Directive, text: string): RegExp {
  try {
    const flags = /^\(\?([ims]+)\)/.exec(text)
    const source = (flags ? text.slice(flags[0].length) : text)
      .replaceAll('(?P<', '(?<')
      .replaceAll('\\A', '^')
      .replaceAll('\\z', '$')
    return new RegExp(source, flags?.[1] ?? '')
  } catch {
    throw mistake(directive, `plugin/${directive.name}: could not parse regex: ${text}`)
  }
}
