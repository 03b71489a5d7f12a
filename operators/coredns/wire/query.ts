/** What a received packet is: a query, something to refuse, or nothing to answer at all. */
import { flags, rcodes } from './constants.ts'
import { decode, type Edns, opcodeOf, type Question } from './message.ts'

export interface Query {
  readonly id: number
  readonly question: Question
  readonly recursionDesired: boolean
  readonly checkingDisabled: boolean
  readonly authenticData: boolean
  readonly edns: Edns | undefined
  /** Bytes received. */
  readonly size: number
}

export type Received =
  | { readonly kind: 'query'; readonly query: Query }
  /** Bytes that say why not. */
  | { readonly kind: 'refused'; readonly rcode: number; readonly answer: Buffer }
  /** Not even a header, or an answer: nobody is told. */
  | { readonly kind: 'ignored' }

/** Sorts a packet the way CoreDNS' DNS library does before a server block is chosen. Never throws. */
export function receive(bytes: Buffer): Received {
  if (bytes.length < 12) return { kind: 'ignored' }
  const word = bytes.readUInt16BE(2)
  if ((word & flags.response) !== 0) return { kind: 'ignored' }
  if (opcodeOf(word) !== 0) return refused(bytes, rcodes.NOTIMP)
  const [questions, answers, authorities, additionals] = [4, 6, 8, 10].map(at => bytes.readUInt16BE(at)) as [
    number,
    number,
    number,
    number,
  ]
  if (questions !== 1 || answers > 1 || authorities > 1 || additionals > 2) return refused(bytes, rcodes.FORMERR)
  try {
    const message = decode(bytes)
    return {
      kind: 'query',
      query: {
        id: message.id,
        question: message.questions[0]!,
        recursionDesired: (word & flags.recursionDesired) !== 0,
        checkingDisabled: (word & flags.checkingDisabled) !== 0,
        authenticData: (word & flags.authenticData) !== 0,
        edns: message.edns,
        size: bytes.length,
      },
    }
  } catch {
    return refused(bytes, rcodes.FORMERR)
  }
}

/** A header alone, with the query's id. */
function refused(bytes: Buffer, rcode: number): Received {
  const answer = Buffer.alloc(12)
  bytes.copy(answer, 0, 0, 2)
  const word = bytes.readUInt16BE(2)
  const opcode = rcode === rcodes.NOTIMP ? word & 0x7800 : 0
  answer.writeUInt16BE(flags.response | opcode | (word & flags.recursionDesired) | rcode, 2)
  return { kind: 'refused', rcode, answer }
}
