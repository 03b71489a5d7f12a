/** The ingress operator with the real HAProxy on loopback, a cluster in memory, and real backends. */
import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import {
  createServer,
  request as httpRequest,
  type IncomingHttpHeaders,
  type RequestListener,
  type Server,
} from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls, type SecureVersion } from 'node:tls'
import type { KubeObject } from '../../bootstrap/api/object.ts'
import type { Resource } from '../../bootstrap/client/client.ts'
import { systemClock } from '../../bootstrap/client/clock.ts'
import { createInformers } from '../../bootstrap/client/informers.ts'
import {
  customResourceDefinitions,
  type EndpointSlice,
  endpointSlices,
  events,
  type Ingress,
  ingresses,
  type Secret,
  type Service,
  secrets,
  services,
} from '../../bootstrap/client/resources.ts'
import { MemoryClient } from '../../bootstrap/client/testing/memory-client.ts'
import { freePort } from '../../bootstrap/client/testing/ports.ts'
import { digest } from '../../operators/ingress/digest.ts'
import { runtimeSocket } from '../../operators/ingress/haproxy/socket.ts'
import * as kinds from '../../operators/ingress/kinds.ts'
import { type IngressService, startIngress } from '../../operators/ingress/service.ts'
import { parseSettings } from '../../operators/ingress/settings.ts'
import { createEventRecorder } from '../../operators/runtime/events.ts'

export const hasHaproxy = (() => {
  try {
    execFileSync('haproxy', ['-v'], { stdio: 'ignore' })
    return true
  } catch {
    console.log('skipped: haproxy is not installed')
    return false
  }
})()

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface Asked {
  readonly host?: string
  readonly path?: string
  readonly method?: string
  readonly headers?: { readonly [name: string]: string }
  readonly body?: string
  readonly tls?: boolean
}

/** What a backend that echoes saw. */
export interface Echo {
  readonly name: string
  readonly url: string
  readonly method: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

const echo =
  (name: string): RequestListener =>
  (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', chunk => chunks.push(chunk))
    request.on('end', () => {
      const { url, method, headers } = request
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ name, url, method, headers, body: Buffer.concat(chunks).toString() }))
    })
  }

/** A certificate and its key for these names, base64 as in Secrets. */
export function certificate(...names: readonly string[]): { crt: string; key: string; fingerprint: string } {
  const text = execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30'],
      ...['-subj', `/CN=${names[0]}`, '-addext', `subjectAltName=${names.map(name => `DNS:${name}`).join(',')}`],
      ...['-keyout', '-', '-out', '-'],
    ],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  ).toString()
  const at = text.indexOf('-----BEGIN CERTIFICATE')
  const encode = (part: string) => Buffer.from(part).toString('base64')
  return {
    crt: encode(text.slice(at)),
    key: encode(text.slice(0, at)),
    fingerprint: new X509Certificate(text.slice(at)).fingerprint,
  }
}

export class IngressBed {
  readonly client = new MemoryClient({ now: () => Date.now() })
  #life = new AbortController()
  readonly #folder = mkdtempSync(join(tmpdir(), 'ingress-'))
  readonly #servers: Server[] = []
  readonly ports: { web: number; websecure: number; metrics: number; ping: number }
  readonly log: string[] = []
  accessLog = ''
  service!: IngressService
  #slices = 0

  private constructor(ports: IngressBed['ports']) {
    this.ports = ports
  }

  static async start(args: readonly string[] = [], prepare?: (bed: IngressBed) => Promise<void>): Promise<IngressBed> {
    const [web, websecure, metrics, ping] = [await freePort(), await freePort(), await freePort(), await freePort()]
    const bed = new IngressBed({ web, websecure, metrics, ping } as IngressBed['ports'])
    await prepare?.(bed)
    try {
      await bed.run(args)
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${bed.log.join('\n')}`)
    }
    return bed
  }

  get folder(): string {
    return this.#folder
  }

  async run(args: readonly string[] = []): Promise<void> {
    const { web, websecure, metrics, ping } = this.ports
    const log = { debug() {}, info() {}, warn() {}, error() {} }
    this.#life.abort()
    this.#life = new AbortController()
    const effects = { clock: systemClock, log, signal: this.#life.signal, random: Math.random }
    const events = createEventRecorder({ client: this.client, clock: systemClock, log, component: 'traefik' })
    this.service = await startIngress({
      settings: parseSettings([
        `--entryPoints.web.address=:${web}/tcp`,
        `--entryPoints.websecure.address=:${websecure}/tcp`,
        '--entryPoints.websecure.http.tls=true',
        `--entryPoints.metrics.address=:${metrics}/tcp`,
        `--entryPoints.traefik.address=:${ping}/tcp`,
        '--ping=true',
        '--metrics.prometheus=true',
        '--metrics.prometheus.entrypoint=metrics',
        '--providers.kubernetesingress',
        '--providers.kubernetescrd',
        '--providers.kubernetesingress.ingressendpoint.publishedservice=kube-system/traefik',
        ...args,
      ]),
      cluster: { ...effects, client: this.client, informers: createInformers(this.client, effects), events },
      surface: { addresses: ['127.0.0.1'], hostname: 'traefik-0' },
      folder: this.#folder,
      runRoot: this.#folder,
      id: 'test',
      log: line => void this.log.push(line),
      access: text => void (this.accessLog += text),
    })
  }

  /** Ends the operator and HAProxy; the cluster and its backends stay. */
  async stopService(): Promise<void> {
    this.#life.abort()
    await this.service.stop(0)
  }

  async stop(): Promise<void> {
    this.#life.abort()
    await this.service?.stop(0)
    for (const server of this.#servers) {
      server.closeAllConnections()
      server.close()
    }
    rmSync(this.#folder, { recursive: true, force: true })
  }

  /** Makes the custom resources known. */
  async crds(): Promise<void> {
    for (const { resource, group } of Object.values(kinds) as Resource[]) {
      const metadata = { name: `${resource}.${group}` }
      const definition = { apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata, spec: {} }
      await this.client.create(customResourceDefinitions, definition as never)
      const status = { conditions: [{ type: 'Established', status: 'True' }] }
      const options = { type: 'merge', subresource: 'status' } as const
      await this.client.patch(customResourceDefinitions, metadata, { status }, options)
    }
  }

  async listen(handler: RequestListener): Promise<number> {
    const server = createServer(handler)
    this.#servers.push(server)
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    return (server.address() as AddressInfo).port
  }

  /** A service with one backend that echoes, or backends of one's own by port. */
  async backend(
    name: string,
    options: {
      ports?: readonly number[]
      port?: Partial<NonNullable<Service['spec']['ports']>[number]>
      annotations?: { [key: string]: string }
      namespace?: string
    } = {},
  ): Promise<number[]> {
    const ports = options.ports ?? [await this.listen(echo(name))]
    const { namespace = 'default' } = options
    await this.client.create(services, {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace, ...(options.annotations && { annotations: options.annotations }) },
      spec: { clusterIP: '10.43.0.1', ports: [{ name: 'http', port: 80, ...options.port }] },
    } as Service)
    await this.endpoints(name, ports, options.port?.name, namespace)
    return [...ports]
  }

  /** Replaces the endpoints of a service. */
  async endpoints(
    name: string,
    ports: readonly (number | { port: number; terminating: true })[],
    portName = 'http',
    namespace = 'default',
  ): Promise<void> {
    const old = await this.client.list(endpointSlices, {
      namespace,
      labelSelector: `kubernetes.io/service-name=${name}`,
    })
    for (const port of ports) {
      const number = typeof port === 'number' ? port : port.port
      await this.client.create(endpointSlices, {
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: { name: `${name}-${++this.#slices}`, namespace, labels: { 'kubernetes.io/service-name': name } },
        addressType: 'IPv4',
        endpoints: [
          {
            addresses: ['127.0.0.1'],
            conditions: typeof port === 'number' ? { ready: true } : { ready: false, serving: true, terminating: true },
          },
        ],
        ports: [{ name: portName, port: number, protocol: 'TCP' }],
      } as EndpointSlice)
    }
    for (const slice of old.items)
      await this.client.delete(endpointSlices as Resource, { name: slice.metadata.name!, namespace })
  }

  ingress(name: string, spec: unknown, annotations: { [key: string]: string } = {}): Promise<Ingress> {
    return this.client.create(ingresses, {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'Ingress',
      metadata: { name, namespace: 'default', annotations },
      spec,
    } as Ingress)
  }

  create<T extends KubeObject>(resource: Resource<T>, name: string, spec: unknown, namespace = 'default'): Promise<T> {
    const { group, version, kind, namespaced } = resource
    return this.client.create(resource, {
      apiVersion: `${group}/${version}`,
      kind,
      metadata: { name, ...(namespaced && { namespace }) },
      spec,
    } as unknown as T)
  }

  async secret(name: string, data: { [key: string]: string }, type = 'kubernetes.io/tls'): Promise<void> {
    const key = { name, namespace: 'default' }
    const known = await this.client.get(secrets, key).catch(() => undefined)
    const secret = { apiVersion: 'v1', kind: 'Secret', metadata: key, type, data } as Secret
    if (known) await this.client.update(secrets, { ...known, data } as Secret)
    else await this.client.create(secrets, secret)
  }

  async ask({
    host = 'example.com',
    path = '/',
    method = 'GET',
    headers = {},
    body,
    tls = false,
  }: Asked): Promise<Answer> {
    const port = tls ? this.ports.websecure : this.ports.web
    const options = {
      host: '127.0.0.1',
      port,
      path,
      method,
      headers: { host, ...headers },
      agent: false,
      servername: host,
      rejectUnauthorized: false,
    }
    return await new Promise((resolve, reject) => {
      const request = (tls ? httpsRequest : httpRequest)(options, response => {
        const chunks: Buffer[] = []
        response.on('data', chunk => chunks.push(chunk))
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks).toString(),
          }),
        )
        response.on('error', reject)
      })
      request.on('error', reject)
      request.end(body)
    })
  }

  async echo(asked: Asked): Promise<Echo> {
    const answer = await this.ask(asked)
    if (answer.status !== 200) throw new Error(`${asked.host}${asked.path}: ${answer.status} ${answer.body}`)
    return JSON.parse(answer.body) as Echo
  }

  /**
   * Asks until the answer is as wanted, for changes that travel. While HAProxy reloads, the old configuration may still
   * answer beside the new one: resolves when that is over.
   */
  async until<T>(what: () => Promise<T>, wanted: (value: T) => boolean): Promise<T> {
    const end = Date.now() + 15_000
    for (;;) {
      const value = await what().catch(error => error as T)
      if (wanted(value)) {
        await this.service?.settled()
        return value
      }
      if (Date.now() > end)
        throw new Error(`still ${JSON.stringify(value) ?? value}; log:\n${this.log.slice(-10).join('\n')}`)
      await new Promise(resolve => setTimeout(resolve, 5))
    }
  }

  untilStatus(asked: Asked, status: number): Promise<Answer> {
    return this.until(
      () => this.ask(asked),
      answer => answer.status === status,
    )
  }

  /** HAProxy's answer on its own socket. */
  runtime(command: string): Promise<string> {
    return runtimeSocket(join(this.#folder, `skiff-ingress-${digest('test')}`, 'admin.sock'))(`${command}\n`)
  }

  /** The subject of the certificate served for a name. */
  async peer(servername: string): Promise<string> {
    return (await this.#certificate(servername)).subject
  }

  async peerPem(servername: string, maxVersion?: SecureVersion): Promise<string> {
    return (await this.#certificate(servername, maxVersion)).fingerprint
  }

  #certificate(servername: string, maxVersion: SecureVersion = 'TLSv1.3'): Promise<X509Certificate> {
    return new Promise((resolve, reject) => {
      const socket = connectTls(
        { host: '127.0.0.1', port: this.ports.websecure, servername, maxVersion, rejectUnauthorized: false },
        () => {
          resolve(socket.getPeerX509Certificate()!)
          socket.destroy()
        },
      )
      socket.on('error', reject)
    })
  }

  /** Messages of the events about an object. */
  async events(name: string): Promise<string[]> {
    const { items } = await this.client.list(events, {})
    return items
      .filter(({ involvedObject }) => involvedObject.name === name)
      .map(({ reason, message }) => `${reason}: ${message}`)
  }
}
