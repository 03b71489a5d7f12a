/** Building and sizing DNS answers on top of dns-packet's codec (RFC 1035, RFC 6891). */
import * as codec from 'dns-packet'
import type { Lookup, Record } from './records.ts'

export interface Question {
  /** As asked, in its own case, without a trailing dot. */
  readonly name: string
  readonly type: string
}

export interface Query {
  readonly id: number
  readonly question: Question
  readonly recursionDesired: boolean
  /** The largest UDP answer the client takes; undefined without EDNS. */
  readonly udpSize: number | undefined
  readonly dnssecOk: boolean
  readonly raw: Buffer
}

/** Reads a query; undefined for what is none (an answer, no question, garbage). */
export function parseQuery(raw: Buffer): Query | undefined {
  try {
    const packet = codec.decode(raw)
    const [question] = packet.questions ?? []
    if (packet.type !== 'query' || !question || packet.questions!.length !== 1) return undefined
    const edns = packet.additionals?.find(record => record.type === 'OPT') as codec.OptAnswer | undefined
    return {
      id: packet.id ?? 0,
      question: { name: question.name, type: question.type },
      recursionDesired: ((packet.flags ?? 0) & codec.RECURSION_DESIRED) !== 0,
      udpSize: edns?.udpPayloadSize,
      dnssecOk: edns?.flag_do === true,
      raw,
    }
  } catch {
    return undefined
  }
}

export const rcodes = {
  noError: 0,
  formatError: 1,
  serverFailure: 2,
  nameError: 3,
  notImplemented: 4,
  refused: 5,
} as const

export interface Reply {
  readonly rcode: number
  readonly authoritative: boolean
  readonly answers: readonly codec.Answer[]
  readonly authorities: readonly codec.Answer[]
  readonly additionals: readonly codec.Answer[]
}

export const emptyReply = (rcode: number): Reply => ({
  rcode,
  authoritative: false,
  answers: [],
  authorities: [],
  additionals: [],
})

/** The reply for a name of our own zone. Negative answers carry the zone's SOA, so that clients may remember them. */
export function zoneReply(result: Lookup, query: Query, zone: string, ttl: number, serial: number): Reply {
  if (result.kind !== 'found') {
    const rcode = result.kind === 'unknown' ? rcodes.nameError : rcodes.noError
    return { rcode, authoritative: true, answers: [], authorities: [soa(zone, ttl, serial)], additionals: [] }
  }
  const asked = query.question.name
  // The name goes back in the case in which it was asked.
  const answers = result.answers.map(record =>
    answerOf({ ...record, name: sameName(record.name, asked) ? asked : record.name }, ttl),
  )
  return {
    rcode: rcodes.noError,
    authoritative: true,
    answers,
    authorities: [],
    additionals: result.additionals.map(record => answerOf(record, ttl)),
  }
}

const bare = (name: string): string => name.replace(/\.$/, '')
const sameName = (a: string, b: string): boolean => bare(a).toLowerCase() === bare(b).toLowerCase()

function answerOf(record: Record, ttl: number): codec.Answer {
  const name = bare(record.name)
  switch (record.type) {
    case 'SRV':
      return { type: 'SRV', name, ttl, data: { ...record.data, target: bare(record.data.target) } }
    case 'TXT':
      return { type: 'TXT', name, ttl, data: [...record.data] }
    case 'CNAME':
    case 'PTR':
      return { type: record.type, name, ttl, data: bare(record.data) }
    default:
      return { type: record.type, name, ttl, data: record.data }
  }
}

export function soa(zone: string, ttl: number, serial: number): codec.Answer {
  const name = bare(zone)
  const data = {
    mname: `ns.dns.${name}`,
    rname: `hostmaster.${name}`,
    serial,
    refresh: 7200,
    retry: 1800,
    expire: 86400,
    minimum: ttl,
  }
  return { type: 'SOA', name, ttl, data }
}

/** Encodes a reply to a query; what does not fit into `limit` bytes is cut off and marked as truncated. */
export function encodeReply(query: Query, reply: Reply, limit: number): Buffer {
  const packet = (answers: readonly codec.Answer[], truncated: boolean): codec.Packet => ({
    id: query.id,
    type: 'response',
    flags:
      (reply.authoritative ? codec.AUTHORITATIVE_ANSWER : 0) |
      (query.recursionDesired ? codec.RECURSION_DESIRED : 0) |
      codec.RECURSION_AVAILABLE |
      (truncated ? codec.TRUNCATED_RESPONSE : 0) |
      reply.rcode,
    questions: [{ name: query.question.name, type: query.question.type as codec.RecordType }],
    answers: [...answers],
    authorities: truncated ? [] : [...reply.authorities],
    additionals: [...(truncated ? [] : reply.additionals), ...(query.udpSize === undefined ? [] : [ednsRecord])],
  })
  let bytes = codec.encode(packet(reply.answers, false))
  let kept = reply.answers.length
  while (bytes.length > limit && kept > 0) {
    kept = Math.floor(kept / 2)
    bytes = codec.encode(packet(reply.answers.slice(0, kept), true))
  }
  return bytes
}

/** Tells a client over UDP to ask again over TCP. */
export function encodeTruncated(query: Query): Buffer {
  const bytes = encodeReply(query, emptyReply(rcodes.noError), 512)
  bytes.writeUInt16BE(bytes.readUInt16BE(2) | codec.TRUNCATED_RESPONSE, 2)
  return bytes
}

const ednsRecord: codec.Answer = {
  type: 'OPT',
  name: '.',
  udpPayloadSize: 1232,
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0,
  flag_do: false,
  options: [],
}

/** How much a client takes over UDP. */
export function udpLimit(query: Query): number {
  return query.udpSize === undefined ? 512 : Math.max(512, Math.min(query.udpSize, 4096))
}
