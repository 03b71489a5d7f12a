/** CoreDNS' function as an embedded module: reads its Corefile, serves, and takes up changes of it while running. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { dirname, join } from 'node:path'
import type { EmbeddedContext, EmbeddedModule } from '../../bootstrap/agent/embedded/module.ts'
import { systemClock } from '../../bootstrap/client/clock.ts'
import { createInformers } from '../../bootstrap/client/informers.ts'
import { InformerView } from './cluster-view.ts'
import { type ZoneServer, zoneServers } from './config.ts'
import { parseCorefile, type ReadImport } from './corefile.ts'
import { emptyReply, encodeReply, type Query, rcodes, udpLimit } from './message.ts'
import { Resolver } from './resolver.ts'
import { type DnsListener, listenDns } from './server.ts'

const reloadMs = 5000

export const corednsModule: EmbeddedModule = {
  async run(context) {
    const service = new DnsService(context)
    await service.start()
    await new Promise<void>(resolve => context.signal.addEventListener('abort', () => resolve(), { once: true }))
    await service.stop()
    return 0
  },
}

interface Route {
  readonly zone: string
  readonly resolver: Resolver
}

class DnsService {
  readonly #context: EmbeddedContext
  readonly #path: string
  readonly #listeners = new Map<number, DnsListener>()
  readonly #http: Server[] = []
  #routes = new Map<number, readonly Route[]>()
  #view: InformerView | undefined
  #loaded = ''
  #ready = false
  #queries = 0
  #timer: NodeJS.Timeout | undefined

  constructor(context: EmbeddedContext) {
    this.#context = context
    const flag = context.args.indexOf('-conf')
    this.#path = context.hostPath(flag >= 0 ? (context.args[flag + 1] ?? '') : '/etc/coredns/Corefile')
  }

  /** Throws when the first Corefile is unusable: the container then ends with its message. */
  async start(): Promise<void> {
    const servers = this.#read()
    const verify = servers.some(server => server.kubernetes?.pods === 'verified')
    const { client, signal } = this.#context
    const log = {
      debug: () => {},
      info: () => {},
      warn: (_: object, text: string) => this.#log(text),
      error: (_: object, text: string) => this.#log(text),
    }
    this.#view = new InformerView(
      createInformers(client, { clock: systemClock, log, signal, random: Math.random }),
      verify,
    )
    await this.#listenHttp(servers)
    await this.#view.whenSynced()
    await this.#serve(servers)
    this.#ready = true
    this.#log('serving')
    this.#timer = setInterval(() => void this.#reload(), reloadMs)
    this.#timer.unref()
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await Promise.all([...this.#listeners.values()].map(listener => listener.close()))
    for (const server of this.#http) {
      server.closeAllConnections()
      server.close()
    }
  }

  #read(): ZoneServer[] {
    const text = readFileSync(this.#path, 'utf8')
    const blocks = parseCorefile(text, 'Corefile', this.#import, this.#context.env)
    const servers = zoneServers(blocks, 'Corefile')
    this.#loaded = this.#fingerprint()
    return servers
  }

  readonly #import: ReadImport = pattern => {
    const path = this.#context.hostPath(pattern.startsWith('/') ? pattern : join('/etc/coredns', pattern))
    const name = new RegExp(
      `^${path
        .split('/')
        .at(-1)!
        .replace(/[.+^${}()|[\]\\]/g, '\\$&')
        .replaceAll('*', '[^/]*')}$`,
    )
    const files = listFiles(dirname(path)).filter(file => name.test(file))
    return files.map(file => ({ name: file, text: readFileSync(join(dirname(path), file), 'utf8') }))
  }

  /** Changes when any file that makes up the configuration does. */
  #fingerprint(): string {
    const folders = [dirname(this.#path), this.#context.hostPath('/etc/coredns/custom')]
    const files = folders.flatMap(folder => listFiles(folder).map(file => join(folder, file)))
    return files.map(file => `${file} ${statSync(file, { throwIfNoEntry: false })?.mtimeMs}`).join('\n')
  }

  async #reload(): Promise<void> {
    for (const routes of this.#routes.values()) for (const { resolver } of routes) resolver.refreshHosts()
    if (this.#fingerprint() === this.#loaded) return
    try {
      await this.#serve(this.#read())
      this.#log('reloaded the Corefile')
    } catch (error) {
      this.#loaded = this.#fingerprint()
      this.#log(`keeping the old configuration: ${(error as Error).message}`)
    }
  }

  async #serve(servers: readonly ZoneServer[]): Promise<void> {
    const deps = {
      view: this.#view!,
      hostPath: (path: string) => this.#context.hostPath(path),
      now: () => systemClock.now(),
      random: Math.random,
      log: (line: string) => this.#log(line),
      signal: this.#context.signal,
      serial: () => Math.floor(systemClock.now() / 1000),
    }
    const routes = new Map<number, Route[]>()
    for (const server of servers) {
      const resolver = new Resolver(server, deps)
      const list = routes.get(server.port) ?? []
      routes.set(server.port, [...list, ...server.zones.map(zone => ({ zone, resolver }))])
    }
    // The longest zone that matches answers.
    for (const [port, list] of routes)
      routes.set(
        port,
        list.sort((a, b) => b.zone.length - a.zone.length),
      )
    this.#routes = routes
    const host = this.#context.pod.ips[0] ?? '0.0.0.0'
    for (const port of routes.keys())
      if (!this.#listeners.has(port))
        this.#listeners.set(port, await listenDns(host, port, (query, overTcp) => this.#answer(port, query, overTcp)))
    for (const [port, listener] of this.#listeners) {
      if (routes.has(port)) continue
      this.#listeners.delete(port)
      await listener.close()
    }
  }

  async #answer(port: number, query: Query, overTcp: boolean): Promise<Buffer> {
    this.#queries++
    const name = `${query.question.name.toLowerCase().replace(/\.$/, '')}.`
    const route = this.#routes.get(port)?.find(({ zone }) => zone === '.' || name === zone || name.endsWith(`.${zone}`))
    if (!route) return encodeReply(query, emptyReply(rcodes.refused), udpLimit(query))
    try {
      return await route.resolver.answer(query, overTcp)
    } catch (error) {
      this.#log(`cannot answer ${query.question.type} ${query.question.name}: ${(error as Error).message}`)
      return encodeReply(query, emptyReply(rcodes.serverFailure), udpLimit(query))
    }
  }

  async #listenHttp(servers: readonly ZoneServer[]): Promise<void> {
    const host = this.#context.pod.ips[0] ?? '0.0.0.0'
    const first = <K extends 'healthPort' | 'readyPort' | 'metricsPort'>(key: K) =>
      servers.find(server => server[key] !== undefined)?.[key]
    const answers: [number | undefined, string, () => [number, string]][] = [
      [first('healthPort'), '/health', () => [200, 'OK']],
      [first('readyPort'), '/ready', () => (this.#ready ? [200, 'OK'] : [503, 'kubernetes'])],
      [
        first('metricsPort'),
        '/metrics',
        () => [200, `# TYPE coredns_dns_requests_total counter\ncoredns_dns_requests_total ${this.#queries}\n`],
      ],
    ]
    for (const [port, path, answer] of answers) {
      if (port === undefined) continue
      const server = createServer((request, response) => {
        const [status, text] = request.url === path ? answer() : [404, 'not found\n']
        response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(text)
      })
      this.#http.push(server)
      await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve))
    }
  }

  #log(text: string): void {
    this.#context.stdout(`[INFO] ${text}\n`)
  }
}

function listFiles(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter(name => !name.startsWith('.'))
      .sort()
  } catch {
    return []
  }
}
