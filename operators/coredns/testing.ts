/** A DNS server without sockets, for tests: a Corefile, files, objects, a clock that is moved by hand. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { KubeObject } from '../../bootstrap/api/object.ts'
import type { Resource } from '../../bootstrap/client/client.ts'
import { systemClock } from '../../bootstrap/client/clock.ts'
import { createInformers } from '../../bootstrap/client/informers.ts'
import { MemoryClient } from '../../bootstrap/client/testing/memory-client.ts'
import { type Configuration, configure } from './configuration.ts'
import { parseCorefile, type SourceFile } from './corefile.ts'
import { DnsMetrics } from './metrics.ts'
import { pluginsInOrder } from './plugins/index.ts'
import type { Effects } from './plugins/plugin.ts'
import { PortResponder } from './server/responder.ts'
import { flags, rcodeName, typeName, typeNumber } from './wire/constants.ts'
import { decode, type Edns, encode, type Message } from './wire/message.ts'
import { addressText, type ResourceRecord } from './wire/records.ts'

export interface TestServer {
  /** Asks over UDP (or TCP); a record reads "name ttl type data". */
  ask(name: string, type?: string, options?: AskOptions): Promise<TestAnswer>
  /** Sends bytes as they are; undefined: silence. */
  send(packet: Buffer, overTcp?: boolean): Promise<Buffer | undefined>
  readonly client: MemoryClient
  readonly log: string[]
  readonly metrics: DnsMetrics
  readonly configuration: Configuration
  readonly folder: string
  clock: { now: number }
  stop(): void
}

export interface AskOptions {
  readonly edns?: Partial<Edns>
  readonly overTcp?: boolean
  readonly class?: number
  readonly checkingDisabled?: boolean
}

export interface TestAnswer {
  readonly rcode: string
  readonly answers: readonly string[]
  readonly authorities: readonly string[]
  readonly additionals: readonly string[]
  readonly flags: readonly string[]
  readonly question: string
  readonly edns: Edns | undefined
  readonly size: number
}

const noImports = () => []

interface Given {
  readonly objects?: readonly (readonly [Resource, object])[]
  readonly files?: { readonly [path: string]: string }
  readonly imports?: (pattern: string) => readonly SourceFile[] | undefined
  readonly addresses?: readonly string[]
  readonly random?: () => number
}

/** A server with this Corefile; throws for one that makes no sense. */
export async function startServer(corefile: string, given: Given = {}): Promise<TestServer> {
  const folder = mkdtempSync(join(tmpdir(), 'skiff-dns-'))
  const stop = new AbortController()
  const end = () => {
    stop.abort()
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    return { ...(await serverIn(folder, stop.signal, corefile, given)), stop: end }
  } catch (error) {
    end()
    throw error
  }
}

async function serverIn(
  folder: string,
  stop: AbortSignal,
  corefile: string,
  given: Given,
): Promise<Omit<TestServer, 'stop'>> {
  const hostPath = (path: string) => join(folder, path)
  for (const [path, text] of Object.entries(given.files ?? {})) {
    mkdirSync(dirname(hostPath(path)), { recursive: true })
    writeFileSync(hostPath(path), text)
  }
  const client = new MemoryClient()
  for (const [resource, object] of given.objects ?? []) await client.create(resource, object as KubeObject)
  const log: string[] = []
  const clock = { now: 1_000_000 }
  const metrics = new DnsMetrics()
  const quiet = { debug() {}, info() {}, warn() {}, error() {} }
  const random = given.random ?? Math.random
  const effects: Effects = {
    now: () => clock.now,
    monotonic: () => performance.now(),
    random,
    log: {
      info: line => void log.push(`INFO ${line}`),
      warning: line => void log.push(`WARNING ${line}`),
      error: line => void log.push(`ERROR ${line}`),
    },
    metrics,
    hostPath,
    changed: () => responder.forget(),
    addresses: given.addresses ?? ['10.42.0.2'],
  }
  const informers = createInformers(client, { clock: systemClock, log: quiet, signal: stop, random })
  const blocks = parseCorefile(corefile, 'Corefile', given.imports ?? noImports, {})
  const configuration = configure(
    blocks,
    pluginsInOrder(informers),
    effects,
    message => void log.push(`FATAL ${message}`),
  )
  const responder: PortResponder = new PortResponder(53, () => configuration, effects, metrics)
  await configuration.start(stop)
  configuration.serving()
  const peer = { address: '10.42.0.9', port: 4242 }
  const send = (packet: Buffer, overTcp = false): Promise<Buffer | undefined> =>
    overTcp
      ? responder.tcp(packet, peer)
      : new Promise(resolve => {
          responder.udp(packet, peer, resolve)
          setTimeout(() => resolve(undefined), silentAfterMs).unref()
        })
  return {
    client,
    log,
    metrics,
    configuration,
    folder,
    clock,
    send,
    async ask(name, type = 'A', options = {}) {
      const answer = await send(queryBytes(name, type, options), options.overTcp)
      if (!answer) throw new Error(`no answer to ${name} ${type}`)
      return readable(answer)
    },
  }
}

/** No answer by then is silence; only looked at for packets that are no queries. */
const silentAfterMs = 8000

let lastId = 0

export function queryBytes(name: string, type: string, options: AskOptions = {}): Buffer {
  lastId = (lastId + 1) & 0xffff
  return encode(
    {
      id: lastId,
      flags: flags.recursionDesired | (options.checkingDisabled ? flags.checkingDisabled : 0),
      question: { name, type: typeNumber(type)!, class: options.class ?? 1 },
      answers: [],
      authorities: [],
      additionals: [],
      edns: options.edns && {
        udpSize: 1232,
        version: 0,
        dnssecOk: false,
        options: [],
        extendedRcode: 0,
        ...options.edns,
      },
    },
    65_535,
  ).bytes
}

export function readable(bytes: Buffer): TestAnswer {
  const message: Message = decode(bytes)
  const extended = bytes.length > 0 && message.edns ? extendedRcode(bytes) : 0
  const [question] = message.questions
  return {
    rcode: rcodeName((message.flags & 15) | (extended << 4)),
    answers: message.answers.map(text),
    authorities: message.authorities.map(text),
    additionals: message.additionals.map(text),
    flags: Object.entries(flags)
      .filter(([, bit]) => (message.flags & bit) !== 0)
      .map(([name]) => name),
    question: question ? `${question.name} ${typeName(question.type)}` : '',
    edns: message.edns,
    size: bytes.length,
  }
}

/** The OPT record is the last one, and has no options in these tests' BADVERS. */
const extendedRcode = (bytes: Buffer): number => {
  const at = bytes.lastIndexOf(Buffer.from([0, 0, 41]))
  return at < 0 ? 0 : bytes[at + 5]!
}

function text({ name, ttl, type, data }: ResourceRecord): string {
  const parts = data.map(part => {
    if (typeof part === 'string') return part
    if (type === 1 || type === 28) return addressText(part)
    if (type === 33) return [0, 2, 4].map(at => part.readUInt16BE(at)).join(' ')
    if (type === 16) return JSON.stringify(part.toString('latin1', 1))
    return part.toString('hex')
  })
  return `${name} ${ttl} ${typeName(type)} ${parts.join(' ')}`
}
