/** Resource records in the text form of zone files: one line, TTL and class optional. */
import { classNumber, typeNumber, types } from './constants.ts'
import { fqdn, isName, WireError } from './names.ts'
import { addressBytes, characterStrings, type ResourceRecord, u16, u32 } from './records.ts'

const defaultTtl = 3600

/** Throws WireError for what is no record. */
export function parseRecord(text: string): ResourceRecord {
  const words = wordsOf(text)
  const [owner] = words
  if (!owner || !isName(owner.text)) throw new WireError(`"${text}" has no owner name`)
  let at = 1
  let ttl = defaultTtl
  let kind = 1
  for (; at < words.length; at++) {
    const word = words[at]!.text
    const seconds = ttlOf(word)
    if (seconds !== undefined) ttl = seconds
    else if (classNumber(word) !== undefined && word.toUpperCase() !== 'ANY') kind = classNumber(word)!
    else break
  }
  const type = typeNumber(words[at]?.text ?? '')
  if (type === undefined) throw new WireError(`"${words[at]?.text ?? text}" is no type of record`)
  return { name: fqdn(owner.text), type, class: kind, ttl, data: dataOf(type, words.slice(at + 1), text) }
}

interface Word {
  readonly text: string
  readonly quoted: boolean
}

function wordsOf(text: string): Word[] {
  const bare = text.replace(/[()]/g, part => (text.includes('"') ? part : ' '))
  return [...bare.matchAll(/"((?:[^"\\]|\\.)*)"|;.*$|(\S+)/gm)].flatMap(([, quoted, plain]): Word[] => {
    if (quoted !== undefined) return [{ text: quoted.replace(/\\(.)/g, '$1'), quoted: true }]
    return plain === undefined ? [] : [{ text: plain, quoted: false }]
  })
}

const ttlUnits: { readonly [unit: string]: number } = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 }

function ttlOf(word: string): number | undefined {
  if (/^\d+$/.test(word)) return Number(word)
  if (!/^(\d+[smhdw])+$/i.test(word)) return undefined
  return [...word.toLowerCase().matchAll(/(\d+)([smhdw])/g)].reduce(
    (sum, [, n, unit]) => sum + Number(n) * ttlUnits[unit!]!,
    0,
  )
}

function dataOf(type: number, words: readonly Word[], text: string): (Buffer | string)[] {
  const want = (count: number): string[] => {
    if (words.length < count) throw new WireError(`"${text}" is not complete`)
    return words.slice(0, count).map(word => word.text)
  }
  const name = (word: string): string => {
    if (!isName(word)) throw new WireError(`"${word}" is no name`)
    return fqdn(word)
  }
  const numbers = (list: readonly string[]): number[] =>
    list.map(word => {
      const value = ttlOf(word)
      if (value === undefined) throw new WireError(`"${word}" is no number`)
      return value
    })
  switch (type) {
    case types.A:
    case types.AAAA: {
      const bytes = addressBytes(want(1)[0]!)
      if (bytes.length !== (type === types.A ? 4 : 16))
        throw new WireError(`"${words[0]!.text}" is of the wrong family`)
      return [bytes]
    }
    case types.CNAME:
    case types.NS:
    case types.PTR:
    case types.DNAME:
      return [name(want(1)[0]!)]
    case types.MX: {
      const [preference, target] = want(2)
      return [u16(...numbers([preference!])), name(target!)]
    }
    case types.SRV: {
      const [priority, weight, port, target] = want(4)
      return [u16(...numbers([priority!, weight!, port!])), name(target!)]
    }
    case types.SOA: {
      const [server, mailbox, ...rest] = want(7)
      return [name(server!), name(mailbox!), u32(...numbers(rest))]
    }
    case types.TXT:
    case types.SPF:
    case types.HINFO:
      return [characterStrings(words.length === 0 ? want(1) : words.map(word => word.text))]
    case types.CAA: {
      const [flag, tag, value] = want(3)
      return [Buffer.concat([Buffer.from(numbers([flag!])), characterStrings([tag!]), Buffer.from(value!)])]
    }
    default:
      return [generic(words, text)]
  }
}

/** RFC 3597's form for any type: \# LENGTH HEX... */
function generic(words: readonly Word[], text: string): Buffer {
  const bytes = Buffer.from(
    words
      .slice(2)
      .map(word => word.text)
      .join(''),
    'hex',
  )
  if (words[0]?.text !== '\\#' || bytes.length !== Number(words[1]?.text))
    throw new WireError(`cannot read "${text}": this type is only read as \\# LENGTH HEX`)
  return bytes
}
