/** Go's regular expressions (RE2 syntax), which schemas are written in, told in JavaScript's. */
import { setFlagsFromString } from 'node:v8'
import { type CharacterRange, classText, complement, foldCase, namedClass, shorthand } from './go-pattern-classes.ts'

// RE2 is linear in its input. V8 is too, for expressions without the u flag, once one has backtracked excessively.
setFlagsFromString('--enable-experimental-regexp-engine-on-excessive-backtracks')

export interface GoPattern {
  /** Whether the expression is found anywhere in the text. */
  test(text: string): boolean
}

const outsideBasicPlane = /[\ud800-\udfff]/

/** undefined for what Go's regexp package does not accept, such as look-ahead and back references. */
export function goPattern(text: string): GoPattern | undefined {
  try {
    const translation = new Translation(text, false)
    const source = translation.source()
    let whole: RegExp | undefined
    const inUnicode = () => (whole ??= new RegExp(new Translation(text, true).source(), 'u'))
    if (translation.hasProperties) {
      const expression = inUnicode()
      return { test: value => expression.test(value) }
    }
    const basic = new RegExp(source)
    return { test: value => (outsideBasicPlane.test(value) ? inUnicode() : basic).test(value) }
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

interface Flags {
  readonly ignoreCase: boolean
  readonly multiLine: boolean
  readonly dotAll: boolean
}

const newline: readonly CharacterRange[] = [[10, 10]]
const controls: { readonly [letter: string]: number } = { a: 7, f: 12, t: 9, n: 10, r: 13, v: 11 }
const mostRepeats = 1000

/** One pass over an expression. Captures do not matter to a test, nor does how greedy a repetition is. */
class Translation {
  readonly #text: string
  readonly #unicode: boolean
  #at = 0
  /** Whether it has a \p, which JavaScript has in expressions with the u flag only. */
  hasProperties = false

  constructor(text: string, unicode: boolean) {
    this.#text = text
    this.#unicode = unicode
  }

  source(): string {
    const source = this.#group({ ignoreCase: false, multiLine: false, dotAll: false })
    if (this.#at < this.#text.length) throw new SyntaxError('unexpected )')
    return source
  }

  /** Up to the end or the closing parenthesis, which it leaves. */
  #group(outer: Flags): string {
    let flags = outer
    let source = ''
    while (this.#at < this.#text.length && this.#text[this.#at] !== ')') {
      const set = this.#match(/\(\?([imsU]*)(?:-([imsU]+))?\)/y)
      if (set) flags = withFlags(flags, set)
      else source += this.#piece(flags)
    }
    return source
  }

  #piece(flags: Flags): string {
    const repeat = this.#match(/\{(\d+)(?:,(\d*))?\}/y)
    if (repeat) {
      if (Number(repeat[1]) > mostRepeats || Number(repeat[2] ?? 0) > mostRepeats) throw new SyntaxError('repeat count')
      return repeat[0]
    }
    const character = this.#next()
    switch (character) {
      case '|':
      case '*':
      case '+':
      case '?':
        return character
      case '(':
        return this.#parenthesis(flags)
      case '[':
        return this.#class(flags)
      case '\\':
        return this.#escape(flags)
      case '.':
        return this.#set(flags.dotAll ? complement([]) : complement(newline))
      case '^':
        return flags.multiLine ? '(?:(?<![^\\n]))' : '(?:^)'
      case '$':
        return flags.multiLine ? '(?:(?![^\\n]))' : '(?:$)'
      default:
        return this.#literal(character.codePointAt(0)!, flags)
    }
  }

  #parenthesis(outer: Flags): string {
    const scoped = this.#match(/\?([imsU]*)(?:-([imsU]+))?:/y)
    if (!scoped && !this.#match(/\?P?<\w+>/y) && this.#text[this.#at] === '?') throw new SyntaxError('unknown group')
    const inner = this.#group(scoped ? withFlags(outer, scoped) : outer)
    if (this.#at === this.#text.length) throw new SyntaxError('missing )')
    this.#at++
    return `(?:${inner})`
  }

  /** What a backslash outside brackets begins. */
  #escape(flags: Flags): string {
    const quoted = this.#match(/Q([\s\S]*?)(?:\\E|$)/y)
    if (quoted) return [...quoted[1]!].map(one => this.#literal(one.codePointAt(0)!, flags)).join('')
    const boundary = this.#match(/[bB]/y)
    if (boundary) return `(?:\\${boundary[0]})`
    if (this.#match(/A/y)) return '(?:^)'
    if (this.#match(/z/y)) return '(?:$)'
    if (this.#match(/C/y)) return this.#set(complement([]))
    const ranges = this.#sharedClass()
    return ranges ? this.#set(ranges) : this.#literal(this.#escapedCharacter(), flags)
  }

  /** \d, \pL and the like, which stand for a set inside brackets and outside. */
  #sharedClass(): readonly CharacterRange[] | string | undefined {
    const short = this.#match(/[dswDSW]/y)
    if (short) return shorthand(short[0])
    const letter = this.#match(/[pP]/y)?.[0]
    if (!letter) return undefined
    const property = this.#match(/\{(\^?)(\w+)\}|(\w)/y)
    if (!property) throw new SyntaxError('unknown property')
    const [, inverse, long, single] = property
    const name = long ?? single!
    if (name === 'Any') return complement([])
    this.hasProperties = true
    const negated = (letter === 'P') !== (inverse === '^')
    return `\\${negated ? 'P' : 'p'}{${name.length <= 2 ? name : `Script=${name}`}}`
  }

  /** The character an escape stands for. */
  #escapedCharacter(): number {
    const hex = this.#match(/x(?:\{([0-9A-Fa-f]+)\}|([0-9A-Fa-f]{2}))/y)
    if (hex) return Number.parseInt(hex[1] ?? hex[2]!, 16)
    const octal = this.#match(/0[0-7]{0,2}|[1-7][0-7]{1,2}/y)
    if (octal) return Number.parseInt(octal[0], 8)
    const control = this.#match(/[aftnrv]/y)
    if (control) return controls[control[0]]!
    const punctuation = this.#match(/[!-/:-@[-`{-~ ]/y)
    if (!punctuation) throw new SyntaxError('unknown escape')
    return punctuation[0].codePointAt(0)!
  }

  /** The rest of a bracket expression. */
  #class(flags: Flags): string {
    const negated = this.#match(/\^/y) !== undefined
    const ranges: CharacterRange[] = []
    const properties: string[] = []
    const add = (set: readonly CharacterRange[] | string) => {
      if (typeof set === 'string') properties.push(set)
      else ranges.push(...set)
    }
    for (let first = true; first || this.#text[this.#at] !== ']'; first = false) {
      const named = this.#match(/\[:(\^?)(\w+):\]/y)
      const set = named
        ? namedClass(named[2]!, named[1] === '^')
        : this.#match(/\\(?=[dswDSWpP])/y) && this.#sharedClass()
      if (set) add(set)
      else ranges.push(this.#range())
    }
    this.#at++
    return classText(flags.ignoreCase ? foldCase(ranges) : ranges, properties, negated, this.#unicode)
  }

  #range(): CharacterRange {
    const from = this.#classCharacter()
    const to = this.#match(/-(?!\])/y) ? this.#classCharacter() : from
    if (to < from) throw new SyntaxError('range out of order')
    return [from, to]
  }

  #classCharacter(): number {
    const character = this.#next()
    return character === '\\' ? this.#escapedCharacter() : character.codePointAt(0)!
  }

  #literal(character: number, { ignoreCase }: Flags): string {
    const one: CharacterRange = [character, character]
    return this.#set(ignoreCase ? foldCase([one]) : [one])
  }

  #set(set: readonly CharacterRange[] | string): string {
    return typeof set === 'string'
      ? classText([], [set], false, this.#unicode)
      : classText(set, [], false, this.#unicode)
  }

  /** Takes what matches here. */
  #match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at
    const match = pattern.exec(this.#text)
    if (!match) return undefined
    this.#at += match[0].length
    return match
  }

  #next(): string {
    const point = this.#text.codePointAt(this.#at)
    if (point === undefined) throw new SyntaxError('it ends too early')
    const character = String.fromCodePoint(point)
    this.#at += character.length
    return character
  }
}

function withFlags(flags: Flags, [, on = '', off = '']: RegExpExecArray): Flags {
  const value = (letter: string, before: boolean) => !off.includes(letter) && (on.includes(letter) || before)
  return {
    ignoreCase: value('i', flags.ignoreCase),
    multiLine: value('m', flags.multiLine),
    dotAll: value('s', flags.dotAll),
  }
}
