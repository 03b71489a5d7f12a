/** What plugins are: layers around each other, in CoreDNS' order. A request goes inwards until one of them answers. */
import type { Metrics } from '../../../bootstrap/metrics.ts'
import type { Directive } from '../corefile.ts'
import { rcodes } from '../wire/constants.ts'
import type { Edns, EdnsOption } from '../wire/message.ts'
import type { ResourceRecord } from '../wire/records.ts'

export interface Peer {
  readonly address: string
  readonly port: number
}

export interface Request {
  readonly id: number
  /** Lower case, with a closing dot. */
  readonly name: string
  /** The name in the case it was asked in, with a closing dot. */
  readonly asked: string
  readonly type: number
  readonly class: number
  readonly recursionDesired: boolean
  readonly checkingDisabled: boolean
  readonly authenticData: boolean
  readonly edns: Edns | undefined
  readonly transport: 'udp' | 'tcp'
  readonly peer: Peer
  /** Bytes received. */
  readonly size: number
  /** When it came, in milliseconds of a clock that only goes forward. */
  readonly arrived: number
  /** How many questions of our own it follows from. */
  readonly depth?: number
}

export interface Reply {
  readonly rcode: number
  readonly authoritative: boolean
  readonly recursionAvailable: boolean
  readonly authenticData: boolean
  /** An upstream could not give everything. */
  readonly truncated: boolean
  readonly answers: readonly ResourceRecord[]
  readonly authorities: readonly ResourceRecord[]
  readonly additionals: readonly ResourceRecord[]
  /** EDNS options to send along. */
  readonly options?: readonly EdnsOption[]
  /** The plugin that answered. */
  readonly plugin: string
  /** Why it is a failure, for the log. */
  readonly error?: string
  /** Until when (milliseconds) the same packet may get the same answer, unless something is reported as changed. */
  readonly reusableUntil: number
  /** Made from what is in memory and current: there is no point in remembering it. */
  readonly live?: boolean
  /** Told of every reuse, so that what it counts stays true. */
  readonly reused?: () => void
  /** Told of the size and flags of what is sent. */
  readonly sent?: (size: number, flags: number) => void
  /** Over UDP not more than so many bytes are sent. */
  readonly maxUdp?: number
  /** Equal records come in another order each time. */
  readonly shuffled?: boolean
}

export type Handler = (request: Request) => Reply | Promise<Reply>

/** Wraps the handler of the plugins that come after. */
export type Layer = (next: Handler) => Handler

export const isPending = (reply: Reply | Promise<Reply>): reply is Promise<Reply> => 'then' in reply

/** Continues with a reply that may not be there yet, without a turn of the event loop when it is. */
export const withReply = (
  reply: Reply | Promise<Reply>,
  step: (reply: Reply) => Reply | Promise<Reply>,
): Reply | Promise<Reply> => (isPending(reply) ? reply.then(step) : step(reply))

export interface LogLines {
  info(line: string): void
  warning(line: string): void
  error(line: string): void
}

/** What plugins may use of the world. */
export interface Effects {
  readonly now: () => number
  /** Milliseconds that only grow, for durations. */
  readonly monotonic: () => number
  readonly random: () => number
  readonly log: LogLines
  readonly metrics: CoreMetrics
  /** Where a path inside the container lies. */
  readonly hostPath: (path: string) => string
  /** Answers given so far may be wrong from now on. */
  readonly changed: () => void
  /** Our own addresses. */
  readonly addresses: readonly string[]
}

export interface CoreMetrics {
  readonly registry: Metrics
  /** Adds to a counter of this name and labels. */
  count(name: string, help: string, labels: string, by?: number): void
  observe(name: string, help: string, labels: string, value: number): void
  gauge(name: string, help: string, labels: string, value: number): void
}

/** A server block while it is being set up: nothing has an effect before `start`. */
export interface Block {
  readonly zones: readonly string[]
  /** As in metrics, "dns://:53". */
  readonly server: string
  readonly effects: Effects
  /** Asks the block itself, as CoreDNS does to complete aliases. */
  lookup(request: Request, name: string, type: number): Reply | Promise<Reply>
  /** Runs once the whole configuration is known to be good; ends with the signal. */
  onStart(start: (signal: AbortSignal) => void | Promise<void>): void
  /** Runs after the listeners are open. */
  onServing(serving: () => void): void
  /** Something that the ready endpoint waits for. */
  readiness(name: string, ready: () => boolean): void
  /** An HTTP endpoint of the whole server. */
  endpoint(endpoint: Endpoint): void
  /** Changes of the Corefile are taken up; looked for at least so often. */
  reload(intervalMs: number): void
  /** Ends the server with this message. */
  fatal(message: string): void
}

export interface Endpoint {
  readonly kind: 'health' | 'ready' | 'metrics'
  readonly port: number
  /** Milliseconds to go on serving once told to stop. */
  readonly lameduckMs: number
}

export interface Plugin {
  readonly name: string
  /** All its directives in one block. Throws CorefileError. Undefined: it answers no queries. */
  setup(directives: readonly [Directive, ...Directive[]], block: Block): Layer | undefined
}

const nothing: readonly ResourceRecord[] = []

export const reply = (plugin: string, fields: Partial<Reply>): Reply => ({
  rcode: rcodes.NOERROR,
  authoritative: false,
  recursionAvailable: false,
  authenticData: false,
  truncated: false,
  answers: nothing,
  authorities: nothing,
  additionals: nothing,
  reusableUntil: 0,
  plugin,
  ...fields,
})

export const failure = (plugin: string, rcode: number, error?: string): Reply =>
  reply(plugin, { rcode, ...(error === undefined ? {} : { error }) })

/** Where no plugin takes a question. */
export const noPlugin: Handler = () => failure('', rcodes.SERVFAIL, 'no next plugin found')

/** For ever, until something changes. */
export const untilChange = Number.MAX_SAFE_INTEGER
