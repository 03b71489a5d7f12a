/** Asks every node's kubelet what is used, in rounds: often while somebody wants to know, seldom otherwise. */
import { readFile } from 'node:fs/promises'
import { Agent, request } from 'node:https'
import type { Client } from '../../bootstrap/client/client.ts'
import type { Clock } from '../../bootstrap/client/clock.ts'
import { type Node, nodes } from '../../bootstrap/client/resources.ts'
import type { Settings } from './args.ts'
import { type Batch, decode } from './decode.ts'
import type { UsageStore } from './usage.ts'

export interface ScraperDeps {
  readonly settings: Settings
  readonly client: Client
  readonly usage: UsageStore
  readonly clock: Clock
  /** Folder of the service account's token and ca.crt. */
  readonly accountDir: string
  readonly log: (text: string) => void
  readonly signal: AbortSignal
}

/** The second round follows the first at once, so that there is something to tell soon. */
const secondRoundMs = 1000
/** When nobody has asked for this long, rounds are this far apart. */
const idleAfterMs = 120_000
const idleMs = 60_000
/** How long an asker waits for a round that is due. */
const patienceMs = 1000
const atOnce = 16

export class Scraper {
  readonly #deps: ScraperDeps
  readonly #agent = new Agent({ keepAlive: true })
  #askedAt = 0
  #scrapedAt = 0
  #rounds = 0
  #running: Promise<void> | undefined
  #wake: AbortController = new AbortController()

  constructor(deps: ScraperDeps) {
    this.#deps = deps
  }

  /** Scrapes until the signal aborts. */
  async run(): Promise<void> {
    const { clock, signal } = this.#deps
    while (!signal.aborted) {
      await this.#round()
      this.#wake = new AbortController()
      const wait = this.#pauseMs() - (clock.now() - this.#scrapedAt)
      if (wait > 0) await clock.sleep(wait, AbortSignal.any([signal, this.#wake.signal])).catch(() => {})
    }
    this.#agent.destroy()
  }

  /** Somebody asks: rounds become frequent, and one that is overdue is waited for, within reason. */
  async asked(): Promise<void> {
    const { clock, settings, signal } = this.#deps
    const now = clock.now()
    this.#askedAt = now
    if (this.#running || now - this.#scrapedAt <= settings.resolutionMs) return
    const round = this.#round()
    this.#wake.abort()
    await Promise.race([round, clock.sleep(patienceMs, signal).catch(() => {})])
  }

  /** The last round is not too long ago. */
  get timely(): boolean {
    return this.#rounds === 0 || this.#deps.clock.now() - this.#scrapedAt < 1.5 * this.#pauseMs()
  }

  #pauseMs(): number {
    const { clock, settings } = this.#deps
    if (this.#rounds < 2) return secondRoundMs
    const idle = clock.now() - this.#askedAt > idleAfterMs
    return idle ? Math.max(idleMs, settings.resolutionMs) : settings.resolutionMs
  }

  /** One round at a time; who comes while one is under way gets that one. */
  #round(): Promise<void> {
    this.#running ??= this.#scrapeAll()
      .catch(error => this.#deps.log(`cannot scrape: ${(error as Error).message}`))
      .finally(() => {
        this.#running = undefined
        this.#rounds++
      })
    return this.#running
  }

  async #scrapeAll(): Promise<void> {
    const { client, settings, usage, clock, accountDir } = this.#deps
    this.#scrapedAt = clock.now()
    const selector = settings.nodeSelector === '' ? {} : { labelSelector: settings.nodeSelector }
    const { items } = await client.list(nodes, selector)
    const identity = await identityFor(settings, accountDir)
    const batches = new Map<string, Batch>()
    const waiting = [...items]
    const worker = async () => {
      for (let node = waiting.shift(); node; node = waiting.shift()) {
        const name = node.metadata.name ?? ''
        try {
          batches.set(name, decode(await this.#ask(node, identity), clock.now()))
        } catch (error) {
          if (!this.#deps.signal.aborted && isReady(node))
            this.#deps.log(`Failed to scrape node ${name}: ${(error as Error).message}`)
        }
      }
    }
    await Promise.all(Array.from({ length: atOnce }, worker))
    usage.store(batches)
  }

  #ask(node: Node, { token, ...tls }: Identity): Promise<string> {
    const { settings, signal } = this.#deps
    const host = addressOf(node, settings.addressTypes)
    const port = settings.useNodeStatusPort
      ? (node.status?.daemonEndpoints?.kubeletEndpoint?.Port ?? settings.kubeletPort)
      : settings.kubeletPort
    return new Promise((resolve, reject) => {
      const asked = request({
        host,
        port,
        path: '/metrics/resource',
        ...tls,
        rejectUnauthorized: !settings.insecureKubelet,
        headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
        agent: this.#agent,
        signal: AbortSignal.any([signal, AbortSignal.timeout(settings.requestTimeoutMs)]),
      })
      asked.on('error', reject)
      asked.on('response', response => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8')
          if (response.statusCode === 200) resolve(text)
          else reject(new Error(`request failed, status: "${response.statusCode} ${text.trim().slice(0, 200)}"`))
        })
      })
      asked.end()
    })
  }
}

interface Identity {
  readonly token?: string
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
}

/** How kubelets know the scraper, and the scraper them. Read for every round, as tokens change. */
async function identityFor(settings: Settings, accountDir: string): Promise<Identity> {
  const { kubeletCa, kubeletCertificate, kubeletKey, insecureKubelet } = settings
  const ca = insecureKubelet ? {} : { ca: await readFile(kubeletCa || `${accountDir}/ca.crt`, 'utf8') }
  if (kubeletCertificate === '') return { ...ca, token: (await readFile(`${accountDir}/token`, 'utf8')).trim() }
  const [cert, key] = await Promise.all([readFile(kubeletCertificate, 'utf8'), readFile(kubeletKey, 'utf8')])
  return { ...ca, cert, key }
}

const isReady = ({ status }: Node) =>
  status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') ?? false

function addressOf({ status }: Node, types: readonly string[]): string {
  for (const type of types) {
    const found = status?.addresses?.find(address => address.type === type)
    if (found) return found.address
  }
  throw new Error(`no address matched types [${types.join(' ')}]`)
}
