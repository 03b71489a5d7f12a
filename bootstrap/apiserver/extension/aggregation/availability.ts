/**
 * Looks after the APIServices of others: whether they can be reached (their Available condition) and what they serve.
 * Events wake it; while there is such an APIService, it is also asked every 30 seconds.
 */
import { isConflict, isNotFound } from '../../../api/errors.ts'
import type { KubeObject } from '../../../api/object.ts'
import { rfc3339 } from '../../../api/time.ts'
import type { APIService, APIServiceCondition } from '../../../api/types.gen.ts'
import type { Client, Resource } from '../../../client/client.ts'
import type { Clock } from '../../../client/clock.ts'
import type { ExternalVersion } from '../../discovery/documents.ts'
import type { ForeignDocument } from '../../openapi/foreign.ts'
import type { Connections } from './connections.ts'
import { type Address, type EndpointParts, reachable } from './endpoints.ts'
import { failureText } from './failure-text.ts'
import { identityHeaders } from './proxy.ts'
import {
  aggregator,
  externalVersion,
  type Fetch,
  type RemoteDocument,
  readDiscovery,
  readOpenApiV2,
} from './remote-discovery.ts'
import type { RemoteService, RemoteServices } from './services.ts'

export interface AvailabilityParts extends EndpointParts {
  readonly remotes: RemoteServices
  readonly connect: Connections
  /** No other server reports. */
  readonly alone: boolean
  readonly client: Client
  readonly clock: Clock
  readonly random: () => number
  readonly signal: AbortSignal
  readonly onError: (error: unknown, name: string) => void
}

export const apiServices: Resource = {
  group: 'apiregistration.k8s.io',
  version: 'v1',
  resource: 'apiservices',
  kind: 'APIService',
  namespaced: false,
}

const recheckMs = 30_000
const rereadMs = 60_000
const firstRetryMs = 200
const probeMs = 5000
const attempts = 5

/** What is known of one APIService. */
interface Known {
  busy: boolean
  again: boolean
  failures: number
  timer: AbortController | undefined
  document: RemoteDocument | undefined
  /** The document is what the server says now. */
  current: boolean
  readAt: number
  /** What was asked for when it was last looked at, and what came of it. */
  seen: string
  verdict: Verdict | undefined
}

type Verdict = Required<Pick<APIServiceCondition, 'status' | 'reason' | 'message'>>

const passed: Verdict = { status: 'True', reason: 'Passed', message: 'all checks passed' }
const local: Verdict = { status: 'True', reason: 'Local', message: 'Local APIServices are always available' }
const refused = (reason: string, message: string): Verdict => ({ status: 'False', reason, message })

export class Availability {
  readonly #parts: AvailabilityParts
  readonly #known = new Map<string, Known>()
  #external: readonly ExternalVersion[] | undefined

  constructor(parts: AvailabilityParts) {
    this.#parts = parts
    parts.remotes.onChange(name => this.#changed(name))
  }

  /** Our own reports wake nobody, nor do other servers', which may reach what this one does not: two servers that fail in different words would never come to rest. */
  #changed(name: string): void {
    this.#external = undefined
    const remote = this.#parts.remotes.byName(name)
    const known = this.#known.get(name)
    const others = this.#parts.alone && known !== undefined && remote !== undefined && !reports(remote, known.verdict)
    if (!remote || !known || known.seen !== askedOf(remote) || others) this.wake(name)
  }

  /** All group versions of others, for discovery; a new array whenever something changed. */
  external(): readonly ExternalVersion[] {
    if (this.#external) return this.#external
    const versions = this.#parts.remotes.all().map(remote => {
      const known = this.#known.get(remote.name)
      return externalVersion(remote, remote.available ? known?.document : undefined, known?.current ?? false)
    })
    this.#external = versions
    return versions
  }

  /** Where aggregated servers have their OpenAPI documents, by "apis/GROUP/VERSION". */
  openApi(): ReadonlyMap<string, string> {
    const urls = new Map<string, string>()
    for (const { name, group, version } of this.#parts.remotes.all()) {
      const url = this.#known.get(name)?.document?.openApi
      if (url !== undefined) urls.set(`apis/${group}/${version}`, url)
    }
    return urls
  }

  /** OpenAPI v2 documents, one per APIService whose server answers. */
  async openApiV2(): Promise<ForeignDocument[]> {
    const available = this.#parts.remotes.all().filter(remote => remote.available)
    const read = available.map(async remote => {
      const found = reachable(this.#parts, remote)
      if (!('at' in found)) return undefined
      const fetch = this.#fetch(remote, found.at[Math.floor(this.#parts.random() * found.at.length)]!, true)
      return await readOpenApiV2(fetch, remote).catch(() => undefined)
    })
    return (await Promise.all(read)).filter(document => document !== undefined)
  }

  /** A Service or its endpoints changed. */
  serviceChanged(namespace: string, service: string): void {
    for (const remote of this.#parts.remotes.all()) {
      if (remote.service.name === service && remote.service.namespace === namespace) this.wake(remote.name)
    }
  }

  /** Checks an APIService now, or again after the check that is under way. */
  wake(name: string): void {
    this.#external = undefined
    if (this.#parts.signal.aborted) return
    const known: Known = this.#known.get(name) ?? {
      busy: false,
      again: false,
      failures: 0,
      timer: undefined,
      document: undefined,
      current: false,
      readAt: 0,
      seen: '',
      verdict: undefined,
    }
    this.#known.set(name, known)
    if (known.busy) {
      known.again = true
      return
    }
    known.busy = true
    known.timer?.abort()
    this.#check(name, known)
      .catch((error: unknown) => this.#parts.onError(error, name))
      .finally(() => {
        known.busy = false
        if (known.again) {
          known.again = false
          this.wake(name)
        }
      })
  }

  async #check(name: string, known: Known): Promise<void> {
    const remote = this.#parts.remotes.byName(name)
    if (!remote) {
      this.#known.delete(name)
      await this.#becomeLocal(name)
      return
    }
    const found = reachable(this.#parts, remote)
    const verdict = 'at' in found ? await this.#probe(remote, found.at) : refused(found.reason, found.message)
    known.seen = askedOf(remote)
    known.verdict = verdict
    await this.#publish(remote.object, verdict)
    const retry = verdict.reason === 'FailedDiscoveryCheck'
    known.failures = retry ? known.failures + 1 : 0
    if ('at' in found && verdict === passed) await this.#read(remote, found.at, known)
    else known.current = false
    this.#external = undefined
    this.#later(name, known, retry || !known.current ? retryMs(known.failures, retry) : recheckMs)
  }

  #later(name: string, known: Known, ms: number): void {
    const timer = new AbortController()
    known.timer = timer
    const signal = AbortSignal.any([timer.signal, this.#parts.signal])
    this.#parts.clock.sleep(ms, signal).then(
      () => this.wake(name),
      () => {},
    )
  }

  /** One question; where it fails, as many more as upstream asks at once. */
  async #probe(remote: RemoteService, at: readonly Address[]): Promise<Verdict> {
    const attempt = async () => {
      const address = at[Math.floor(this.#parts.random() * at.length)]!
      const path = remote.group === '' ? `/api/${remote.version}` : `/apis/${remote.group}/${remote.version}`
      const url = `https://${host(address)}:${address.port}${path}`
      const answer = await this.#fetch(remote, address, false)(path, {}, aggregator).catch((error: unknown) => {
        throw new Error(`failing or missing response from ${url}: Get ${JSON.stringify(url)}: ${failureText(error)}`)
      })
      if (answer.status < 200 || answer.status >= 300) {
        throw new Error(`failing or missing response from ${url}: bad status from ${url}: ${answer.status}`)
      }
    }
    try {
      await attempt().catch(() => Promise.any(Array.from({ length: attempts - 1 }, attempt)))
      return passed
    } catch (error) {
      return refused('FailedDiscoveryCheck', ((error as AggregateError).errors.at(-1) as Error).message)
    }
  }

  async #read(remote: RemoteService, at: readonly Address[], known: Known): Promise<void> {
    const now = this.#parts.clock.now()
    if (known.current && now - known.readAt < rereadMs) return
    known.readAt = now
    const address = at[Math.floor(this.#parts.random() * at.length)]!
    try {
      known.document = await readDiscovery(this.#fetch(remote, address, true), remote, known.document)
      known.current = true
    } catch {
      known.current = false
    }
  }

  #fetch(remote: RemoteService, address: Address, checked: boolean): Fetch {
    return async (path, headers, user) => {
      const connection = await this.#parts.connect(remote, address, checked)
      const signal = AbortSignal.any([AbortSignal.timeout(probeMs), this.#parts.signal])
      const all = { ...headers, ...identityHeaders(user) }
      const answer = await connection.request('', 'GET', path, all, signal)
      const chunks: Uint8Array[] = []
      for await (const chunk of answer.body) chunks.push(chunk as Uint8Array)
      return { status: answer.status, headers: answer.headers, body: Buffer.concat(chunks) }
    }
  }

  /** An APIService whose Service was taken away. */
  async #becomeLocal(name: string): Promise<void> {
    try {
      await this.#publish((await this.#parts.client.get(apiServices, { name })) as unknown as APIService, local)
    } catch (error) {
      if (!isNotFound(error)) throw error
    }
  }

  async #publish(service: APIService, verdict: Verdict): Promise<void> {
    const others = (service.status?.conditions ?? []).filter(({ type }) => type !== 'Available')
    const old = service.status?.conditions?.find(({ type }) => type === 'Available')
    if (old?.status === verdict.status && old.reason === verdict.reason && old.message === verdict.message) return
    const since = old?.status === verdict.status ? old.lastTransitionTime : rfc3339(this.#parts.clock.now())
    const available: APIServiceCondition = { type: 'Available', lastTransitionTime: since, ...verdict }
    const next = { ...service, status: { ...service.status, conditions: [...others, available] } }
    try {
      await this.#parts.client.update(apiServices, next as unknown as KubeObject, { subresource: 'status' })
    } catch (error) {
      // Whoever was faster has woken us already.
      if (!isConflict(error) && !isNotFound(error)) throw error
    }
  }
}

/** All of an APIService but its status. */
function askedOf({ object }: RemoteService): string {
  const { labels, annotations } = object.metadata ?? {}
  return JSON.stringify([object.spec, labels, annotations])
}

function reports({ object }: RemoteService, verdict: Verdict | undefined): boolean {
  const { status, reason } = object.status?.conditions?.find(({ type }) => type === 'Available') ?? {}
  return status === verdict?.status && reason === verdict?.reason
}

const host = (address: Address) => (address.host.includes(':') ? `[${address.host}]` : address.host)

/** Failures are tried again sooner than others are looked at. */
function retryMs(failures: number, probing: boolean): number {
  return probing ? Math.min(recheckMs, firstRetryMs * 2 ** Math.min(failures - 1, 20)) : recheckMs
}
