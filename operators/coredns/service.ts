/** The DNS server as a whole: one configuration at work, and the way from it to the next without a gap. */
import type { EmbeddedContext } from '../../bootstrap/agent/embedded/module.ts'
import { systemClock } from '../../bootstrap/client/clock.ts'
import { createInformers } from '../../bootstrap/client/informers.ts'
import { labelText } from '../../bootstrap/metrics.ts'
import { type Configuration, configure } from './configuration.ts'
import { CorefileError, parseCorefile } from './corefile.ts'
import { DnsMetrics } from './metrics.ts'
import { pluginsInOrder } from './plugins/index.ts'
import type { Effects, Plugin } from './plugins/plugin.ts'
import { Reports } from './reports.ts'
import { Endpoints } from './server/endpoints.ts'
import { type DnsListener, listenDns } from './server/listener.ts'
import { PortResponder } from './server/responder.ts'
import { Sources } from './sources.ts'

interface OpenPort {
  readonly responder: PortResponder
  readonly listeners: readonly DnsListener[]
}

interface Running {
  readonly configuration: Configuration
  readonly stop: AbortController
}

export class DnsService {
  readonly #context: EmbeddedContext
  readonly #reports: Reports
  readonly #sources: Sources
  readonly #metrics = new DnsMetrics()
  readonly #effects: Effects
  readonly #plugins: readonly Plugin[]
  readonly #hosts: readonly string[]
  readonly #ports = new Map<number, OpenPort>()
  readonly #endpoints: Endpoints
  readonly #fatal: (message: string) => void
  #running: Running | undefined
  #loaded = ''
  #turn: Promise<void> = Promise.resolve()
  #timer: NodeJS.Timeout | undefined

  /** `fatal` is called when the server must end: with the reason. */
  constructor(context: EmbeddedContext, fatal: (message: string) => void) {
    this.#context = context
    this.#fatal = fatal
    this.#reports = new Reports(context)
    this.#hosts = context.pod.ips.length > 0 ? context.pod.ips : ['0.0.0.0']
    const flag = context.args.indexOf('-conf')
    this.#sources = new Sources({
      path: (flag >= 0 ? context.args[flag + 1] : undefined) ?? '/etc/coredns/Corefile',
      hostPath: path => context.hostPath(path),
      warn: line => this.#reports.log.warning(line),
    })
    this.#effects = {
      now: () => systemClock.now(),
      monotonic: () => performance.now(),
      random: Math.random,
      log: this.#reports.log,
      metrics: this.#metrics,
      hostPath: path => context.hostPath(path),
      changed: () => this.#forget(),
      addresses: this.#hosts,
    }
    const { warning, error } = this.#reports.log
    const log = {
      debug: () => {},
      info: () => {},
      warn: (_: object, text: string) => warning(text),
      error: (_: object, text: string) => error(text),
    }
    const { client, signal } = context
    this.#plugins = pluginsInOrder(createInformers(client, { clock: systemClock, log, signal, random: Math.random }))
    this.#endpoints = new Endpoints(this.#hosts, {
      health: () => ({ status: 200, text: 'OK' }),
      ready: () => {
        const missing = this.#running ? this.#running.configuration.notReady() : ['start']
        return missing.length === 0 ? { status: 200, text: 'OK' } : { status: 503, text: missing.join(',') }
      },
      metrics: () => ({ status: 200, text: this.#metrics.registry.text() }),
    })
  }

  /** Throws when the first Corefile is unusable: the container then ends with its message. */
  async start(): Promise<void> {
    this.#loaded = this.#sources.fingerprint()
    await this.#switchTo(this.#firstConfiguration())
    this.#banner()
    if (this.#running!.configuration.reloadMs === undefined) return
    this.#sources.watch(() => this.#look(), this.#context.signal)
    this.#keepLooking()
  }

  async stop(): Promise<void> {
    clearTimeout(this.#timer)
    await this.#turn
    const { lameduckMs } = this.#endpoints
    if (lameduckMs > 0) await new Promise(resolve => setTimeout(resolve, lameduckMs))
    this.#running?.stop.abort()
    await Promise.all([...this.#ports.values()].flatMap(({ listeners }) => listeners.map(listener => listener.close())))
    this.#endpoints.close()
  }

  #read(): Configuration {
    const { name, text } = this.#sources.corefile()
    const blocks = parseCorefile(text, name, this.#sources.read, this.#context.env)
    return configure(blocks, this.#plugins, this.#effects, this.#fatal)
  }

  /** There is no last good configuration yet: a mistake in a user's file costs that file, not the cluster's DNS. */
  #firstConfiguration(): Configuration {
    for (;;) {
      try {
        return this.#read()
      } catch (error) {
        if (!(error instanceof CorefileError) || error.file === 'Corefile' || this.#sources.excluded.has(error.file))
          throw error
        this.#sources.excluded.add(error.file)
        this.#reports.refused(error, `starting without ${error.file}`)
      }
    }
  }

  #look(): void {
    this.#turn = this.#turn.then(() => this.#reload())
  }

  #keepLooking(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#look()
      this.#keepLooking()
    }, this.#running?.configuration.reloadMs ?? 30_000)
    this.#timer.unref()
  }

  async #reload(): Promise<void> {
    const found = this.#sources.fingerprint()
    if (found === this.#loaded || this.#context.signal.aborted) return
    this.#loaded = found
    this.#reports.log.info('Reloading')
    try {
      this.#sources.excluded.clear()
      await this.#switchTo(this.#read())
      this.#reports.log.info(`plugin/reload: Running configuration SHA512 = ${found}`)
      this.#reports.log.info('Reloading complete')
      this.#reports.accepted('Took up the changed Corefile')
    } catch (error) {
      this.#metrics.count('coredns_reload_failed_total', 'Counter of the number of failed reload attempts.', '')
      this.#reports.refused(error, 'the last good configuration stays')
    }
  }

  /** Opens what the next configuration needs; only then does it replace the last one. */
  async #switchTo(configuration: Configuration): Promise<void> {
    const stop = new AbortController()
    const before = this.#running
    const opened: number[] = []
    try {
      await configuration.start(stop.signal)
      for (const { port } of configuration.routes) {
        if (this.#ports.has(port)) continue
        this.#ports.set(port, await this.#open(port, configuration))
        opened.push(port)
      }
      await this.#endpoints.set(configuration.endpoints)
    } catch (error) {
      stop.abort()
      for (const port of opened) await this.#close(port)
      throw error
    }
    this.#running = { configuration, stop }
    this.#forget()
    before?.stop.abort()
    for (const port of this.#ports.keys())
      if (!configuration.routes.some(route => route.port === port)) await this.#close(port)
    this.#describe(configuration)
    configuration.serving()
  }

  async #open(port: number, configuration: Configuration): Promise<OpenPort> {
    // Until the switch is complete a new port is answered by the configuration that wants it.
    const current = () => {
      const running = this.#running?.configuration
      return running?.routes.some(route => route.port === port) ? running : configuration
    }
    const responder = new PortResponder(port, current, this.#effects, this.#metrics)
    const listeners: DnsListener[] = []
    try {
      for (const host of this.#hosts) listeners.push(await listenDns(host, port, responder))
    } catch (error) {
      for (const listener of listeners) await listener.close()
      throw error
    }
    return { responder, listeners }
  }

  async #close(port: number): Promise<void> {
    const open = this.#ports.get(port)
    this.#ports.delete(port)
    for (const listener of open?.listeners ?? []) await listener.close()
  }

  #forget(): void {
    for (const { responder } of this.#ports.values()) responder.forget()
  }

  #describe({ routes }: Configuration): void {
    this.#metrics.clear('coredns_plugin_enabled')
    for (const { server, zone, plugins } of routes)
      for (const name of plugins)
        this.#metrics.gauge(
          'coredns_plugin_enabled',
          'A metric that indicates whether a plugin is enabled on per server and zone basis.',
          labelText({ server, zone, view: '', name }),
          1,
        )
    this.#metrics.clear('coredns_reload_version_info')
    this.#metrics.gauge(
      'coredns_reload_version_info',
      'A metric with a constant `1` value labeled by hash, and value which type of hash generated.',
      labelText({ hash: 'sha512', value: this.#loaded }),
      1,
    )
  }

  #banner(): void {
    for (const { zone, port } of this.#running!.configuration.routes) this.#reports.plain(`${zone}:${port}`)
    this.#reports.log.info(`plugin/reload: Running configuration SHA512 = ${this.#loaded}`)
  }
}
