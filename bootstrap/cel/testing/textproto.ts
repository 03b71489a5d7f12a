/** Reads the text form of protocol buffers, as far as the test vectors of cel-spec need it. */

export interface Message {
  readonly [field: string]: readonly Field[]
}
export type Field = string | Message | { readonly bare: string }

const token =
  /\s+|#[^\n]*|("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(\[[a-zA-Z0-9_./]+\])|([-+a-zA-Z0-9_.]+)|([{}<>:,;[\]])/gy

export function readTextproto(text: string): Message {
  const words: { kind: 'text' | 'name' | 'symbol'; text: string }[] = []
  token.lastIndex = 0
  while (token.lastIndex < text.length) {
    const match = token.exec(text)
    if (!match) throw new Error(`cannot read the text at ${text.slice(token.lastIndex, token.lastIndex + 40)}`)
    const [, quoted, extension, name, symbol] = match
    if (quoted !== undefined) words.push({ kind: 'text', text: quoted })
    else if (extension !== undefined || name !== undefined) words.push({ kind: 'name', text: (extension ?? name)! })
    else if (symbol !== undefined) words.push({ kind: 'symbol', text: symbol })
  }
  let at = 0
  const peek = () => words[at]
  const take = (symbol: string): boolean => {
    if (peek()?.kind !== 'symbol' || peek()!.text !== symbol) return false
    at++
    return true
  }
  const value = (): Field => {
    if (take('{') || take('<')) return message()
    if (peek()?.kind === 'text') {
      let joined = ''
      while (peek()?.kind === 'text') joined += unquote(words[at++]!.text)
      return joined
    }
    return { bare: words[at++]!.text }
  }
  const message = (): Message => {
    const fields: { [name: string]: Field[] } = {}
    while (at < words.length && !take('}') && !take('>')) {
      const name = words[at++]!.text
      take(':')
      const into = (fields[name] ??= [])
      if (take('[')) while (!take(']')) into.push(value()) && take(',')
      else into.push(value())
      if (!take(',')) take(';')
    }
    return fields
  }
  return message()
}

const simple: { readonly [letter: string]: string } = {
  n: '\n',
  t: '\t',
  r: '\r',
  a: '\x07',
  b: '\b',
  f: '\f',
  v: '\v',
}

/** Before a text of bytes that are no UTF-8, each as the character of its number. */
export const notUtf8 = '\ue000'

/** A quoted text. */
function unquote(quoted: string): string {
  const bytes: number[] = []
  const inner = quoted.slice(1, -1)
  for (let at = 0; at < inner.length; at++) {
    if (inner[at] !== '\\') {
      const code = inner.codePointAt(at)!
      if (code > 0xffff) at++
      bytes.push(...Buffer.from(String.fromCodePoint(code)))
      continue
    }
    const rest = inner.slice(at + 1)
    const number = /^(?:x([0-9a-fA-F]{1,2})|([0-7]{1,3})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))/.exec(rest)
    if (number) {
      const [whole, hex, octal, short, long] = number
      if (hex !== undefined) bytes.push(Number.parseInt(hex, 16))
      else if (octal !== undefined) bytes.push(Number.parseInt(octal, 8))
      else bytes.push(...Buffer.from(String.fromCodePoint(Number.parseInt((short ?? long)!, 16))))
      at += whole.length
    } else {
      bytes.push(...Buffer.from(simple[rest[0]!] ?? rest[0]!))
      at++
    }
  }
  const buffer = Buffer.from(bytes)
  const text = buffer.toString('utf8')
  return Buffer.from(text).equals(buffer) ? text : notUtf8 + buffer.toString('latin1')
}
