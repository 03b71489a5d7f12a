import { readFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import * as http2 from 'node:http2'
import { connect, createServer as createTcp } from 'node:net'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { type Service, services } from '../../bootstrap/client/resources.ts'
import { freePort } from '../../bootstrap/client/testing/ports.ts'
import { ingressRoutes, ingressRouteTcps } from '../../operators/ingress/kinds.ts'
import { certificate, hasHaproxy, IngressBed } from './ingress-fixture.ts'

jest.setTimeout(30_000)

const suite = hasHaproxy ? describe : describe.skip
const rules = (host: string, name: string) => [
  { host, http: { paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name, port: { number: 80 } } } }] } },
]
const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

suite('traffic through the real HAProxy', () => {
  let bed: IngressBed
  let tcpPort: number

  beforeAll(async () => {
    tcpPort = await freePort()
    bed = await IngressBed.start(
      [
        '--accesslog=true',
        '--providers.kubernetescrd.allowExternalNameServices=true',
        `--entryPoints.db.address=:${tcpPort}/tcp`,
      ],
      bed => bed.crds(),
    )
    await bed.backend('web')
    await bed.ingress('web', { rules: rules('web.org', 'web') })
    await bed.untilStatus({ host: 'web.org' }, 200)
  })
  afterAll(() => bed?.stop())

  test('HTTP/2 by ALPN and by prior knowledge', async () => {
    for (const url of [`https://127.0.0.1:${bed.ports.websecure}`, `http://127.0.0.1:${bed.ports.web}`]) {
      const session = http2.connect(url, { rejectUnauthorized: false, servername: 'web.org' })
      const stream = session.request({ ':path': '/h2', ':authority': 'web.org' })
      const headers = await new Promise<http2.IncomingHttpHeaders>(resolve => stream.once('response', resolve))
      let body = ''
      for await (const chunk of stream.setEncoding('utf8')) body += chunk
      expect([headers[':status'], JSON.parse(body).url]).toEqual([200, '/h2'])
      session.destroy()
    }
  })

  test('gRPC: HTTP/2 to the backend, with trailers', async () => {
    const server = http2.createServer()
    server.on('stream', (stream, headers) => {
      stream.respond(
        { ':status': 200, 'content-type': 'application/grpc', 'x-path': headers[':path'] },
        { waitForTrailers: true },
      )
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
      stream.pipe(stream)
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    await bed.backend('grpc', { ports: [port], port: { name: 'grpc', appProtocol: 'kubernetes.io/h2c' } })
    await bed.ingress('grpc', { rules: rules('grpc.org', 'grpc') })
    const call = () =>
      new Promise<{ status: unknown; trailers: http2.IncomingHttpHeaders; body: string }>((resolve, reject) => {
        const session = http2.connect(`https://127.0.0.1:${bed.ports.websecure}`, {
          rejectUnauthorized: false,
          servername: 'grpc.org',
        })
        session.on('error', reject)
        const stream = session.request({
          ':path': '/pkg.Svc/Do',
          ':method': 'POST',
          ':authority': 'grpc.org',
          te: 'trailers',
        })
        let [status, body, trailers]: [unknown, string, http2.IncomingHttpHeaders] = [undefined, '', {}]
        stream.on('response', headers => (status = headers[':status']))
        stream.on('trailers', headers => (trailers = headers))
        stream.on('data', chunk => (body += chunk))
        stream.on('end', () => {
          session.destroy()
          resolve({ status, trailers, body })
        })
        stream.on('error', reject)
        stream.end('hello')
      })
    const answer = await bed.until(call, ({ status }) => status === 200)
    expect(answer).toMatchObject({ body: 'hello', trailers: { 'grpc-status': '0' } })
    server.close()
  })

  test('WebSocket', async () => {
    const server = createTcp(socket => {
      socket.once('data', head => {
        if (!/upgrade: websocket/i.test(head.toString()))
          return socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n')
        socket.write(
          'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: HSmrc0sMlYUkAGmm5OPpG2HaGWk=\r\n\r\n',
        )
        return socket.on('data', chunk => socket.write(chunk))
      })
      socket.on('error', () => {})
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    await bed.backend('ws', { ports: [(server.address() as { port: number }).port] })
    await bed.ingress('ws', { rules: rules('ws.org', 'ws') })
    await bed.until(
      async () =>
        bed.ask({ host: 'ws.org' }).then(
          ({ status }) => status,
          () => 0,
        ),
      status => status !== 404,
    )
    const socket = connect(bed.ports.web, '127.0.0.1')
    const received: Buffer[] = []
    socket.on('data', chunk => received.push(chunk))
    socket.write(
      'GET /chat HTTP/1.1\r\nHost: ws.org\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\nSec-WebSocket-Version: 13\r\n\r\n',
    )
    const text = () => Promise.resolve(Buffer.concat(received).toString())
    await bed.until(text, value => value.startsWith('HTTP/1.1 101'))
    socket.write('ping')
    await bed.until(text, value => value.endsWith('ping'))
    // A reload leaves it alone.
    await bed.backend('new')
    await bed.ingress('new', { rules: rules('new.org', 'new') })
    await bed.untilStatus({ host: 'new.org' }, 200)
    socket.write('pong')
    await bed.until(text, value => value.endsWith('pong'))
    socket.destroy()
    server.close()
  })

  test('bodies stream in both directions', async () => {
    const port = await bed.listen((request, response) => {
      request.once('data', chunk => {
        response.write(`got ${chunk}`)
        request.on('end', () => response.end('end'))
        request.resume()
      })
    })
    await bed.backend('stream', { ports: [port] })
    await bed.ingress('stream', { rules: rules('stream.org', 'stream') })
    await bed.until(
      () => bed.ask({ host: 'stream.org', method: 'POST', body: 'x' }),
      ({ status }) => status === 200,
    )
    const sent = request({ port: bed.ports.web, host: '127.0.0.1', method: 'POST', headers: { host: 'stream.org' } })
    sent.write('part')
    // The answer begins before the request has ended.
    const response = await new Promise<import('node:http').IncomingMessage>(resolve => sent.once('response', resolve))
    const first = await new Promise(resolve => response.once('data', chunk => resolve(String(chunk))))
    expect(first).toBe('got part')
    sent.end()
    let rest = ''
    for await (const chunk of response) rest += chunk
    expect(rest).toBe('end')
  })

  test('plain TCP on an entry point of its own', async () => {
    const server = createTcp(socket => socket.end('tcp'))
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    await bed.backend('db', { ports: [(server.address() as { port: number }).port] })
    await bed.create(ingressRouteTcps, 'db', {
      entryPoints: ['db'],
      routes: [{ match: 'HostSNI(`*`)', services: [{ name: 'db', port: 80 }] }],
    })
    const read = () =>
      new Promise<string>((resolve, reject) => {
        const socket = connect(tcpPort, '127.0.0.1')
        let text = ''
        socket.setTimeout(200, () => socket.destroy())
        socket
          .on('data', chunk => (text += chunk))
          .on('close', () => resolve(text))
          .on('error', reject)
      })
    expect(await bed.until(read, text => text === 'tcp')).toBe('tcp')
    server.close()
  })

  test('a dead endpoint costs no request', async () => {
    const [alive, dead] = [await bed.listen((_, response) => response.end('ok')), await freePort()]
    await bed.backend('half', { ports: [alive, dead] })
    await bed.ingress('half', { rules: rules('half.org', 'half') })
    await bed.untilStatus({ host: 'half.org' }, 200)
    for (let count = 0; count < 10; count++) expect((await bed.ask({ host: 'half.org' })).status).toBe(200)
  })

  test('no request fails while endpoints, certificates and routes change', async () => {
    const ports = await Promise.all(
      [1, 2, 3].map(number => bed.listen((_, response) => setTimeout(() => response.end(`${number}`), 2))),
    )
    await bed.backend('busy', { ports: [ports[0]!] })
    await bed.ingress('busy', { rules: rules('busy.org', 'busy'), tls: [{ secretName: 'busy' }] })
    await bed.untilStatus({ host: 'busy.org' }, 200)
    const stop = new AbortController()
    const [failures, statuses, agent] = [
      [] as string[],
      new Map<number, number>(),
      new Agent({ keepAlive: true, maxSockets: 8 }),
    ]
    const one = (keep: boolean) =>
      new Promise<void>(resolve => {
        const fail = (error: Error) => {
          failures.push(error.message)
          resolve()
        }
        const sent = request(
          { port: bed.ports.web, host: '127.0.0.1', headers: { host: 'busy.org' }, agent: keep ? agent : false },
          response => {
            statuses.set(response.statusCode!, (statuses.get(response.statusCode!) ?? 0) + 1)
            response.resume().on('end', resolve).on('error', fail)
          },
        )
        sent.on('error', fail).end()
      })
    const client = async (keep: boolean) => {
      while (!stop.signal.aborted) await one(keep)
    }
    const clients = [true, true, true, false, false].map(client)
    const { reloads } = bed.service.counts
    for (let round = 0; round < 8; round++) {
      await bed.endpoints('busy', [ports[round % 3]!, { port: ports[(round + 2) % 3]!, terminating: true }])
      const pair = certificate('busy.org')
      await bed.secret('busy', { 'tls.crt': pair.crt, 'tls.key': pair.key })
      await bed.create(ingressRoutes, `busy${round}`, {
        routes: [{ match: `Host(\`busy${round}.org\`) && Method(\`GET\`)`, services: [{ name: 'web', port: 80 }] }],
      })
      await pause(40)
    }
    await bed.untilStatus({ host: 'busy7.org' }, 200)
    stop.abort()
    await Promise.all(clients)
    agent.destroy()
    expect(failures).toEqual([])
    expect([...statuses.keys()]).toEqual([200])
    expect(statuses.get(200)).toBeGreaterThan(20)
    expect(bed.service.counts.reloads).toBeGreaterThan(reloads)
  })

  test('services of type ExternalName, when they are allowed', async () => {
    const [port] = await bed.backend('inner')
    const external = (name: string, externalName: string, number: number) =>
      bed.client.create(services, {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name, namespace: 'default' },
        spec: { type: 'ExternalName', externalName, ports: [{ port: number }] },
      } as Service)
    await external('outside', 'localhost', port!)
    await external('alias', 'inner.default.svc.cluster.local', 80)
    const route = (name: string, number: number) =>
      bed.create(ingressRoutes, name, {
        routes: [{ match: `Host(\`${name}.org\`)`, services: [{ name, port: number }] }],
      })
    await route('outside', port!)
    await route('alias', 80)
    await bed.untilStatus({ host: 'outside.org' }, 200)
    expect((await bed.echo({ host: 'alias.org' })).name).toBe('inner')
  })

  test('metrics, ping and the access log', async () => {
    const get = async (port: number, path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).text()
    expect(await get(bed.ports.ping, '/ping')).toBe('OK')
    await bed
      .ask({ host: 'web.org', path: '/logged?"x', headers: { referer: 'a"b', 'user-agent': 'test' } })
      .catch(() => {})
    await bed.ask({ host: 'web.org', path: '/logged', headers: { referer: 'a"b', 'user-agent': 'test' } })
    await bed.until(
      async () => bed.accessLog,
      text =>
        /127\.0\.0\.1 - - \[[^\]]+\] "GET \/logged HTTP\/1\.1" 200 \d+ "a\\"b" "test" \d+ "default-web-80_[0-9a-f]+" "127\.0\.0\.1:\d+" \d+ ms/.test(
          text,
        ),
    )
    const metrics = await get(bed.ports.metrics, '/metrics')
    expect(metrics).toMatch(/traefik_entrypoint_requests_total\{code="2xx",entrypoint="web",protocol="http"\} \d+/)
    expect(metrics).toMatch(/traefik_service_requests_total\{code="2xx",service="default-web-80_[0-9a-f]+"\} \d+/)
    expect(metrics).toMatch(/traefik_config_reloads_total [1-9]/)
  })

  test('comes back when HAProxy is killed, with what was served last', async () => {
    const pid = Number(/Pid: (\d+)/.exec(await bed.runtime('show info'))?.[1])
    process.kill(pid, 'SIGKILL')
    await bed.until(
      () => bed.runtime('show info'),
      text => typeof text === 'string' && /Pid: (\d+)/.test(text) && !text.includes(`Pid: ${pid}\n`),
    )
    await bed.untilStatus({ host: 'web.org' }, 200)
    expect((await bed.ask({ host: 'busy.org' })).status).toBe(200)
    expect(readFileSync(`${bed.folder}/haproxy/current/maps/web.prefix`, 'utf8')).toContain(
      'busy.org/ default-busy-80_',
    )
  })

  test('started anew, it serves what it served last until the cluster can be read', async () => {
    await bed.stopService()
    bed.client.before = () => {
      throw new Error('the API is away')
    }
    const started = bed.run(['--providers.kubernetescrd.allowExternalNameServices=true'])
    await bed.untilStatus({ host: 'web.org' }, 200)
    bed.client.before = () => {}
    await started
    expect((await bed.ask({ host: 'web.org' })).status).toBe(200)
  })

  test('lets requests finish when it ends', async () => {
    const port = await bed.listen((_, response) => setTimeout(() => response.end('late'), 300))
    await bed.backend('late', { ports: [port] })
    await bed.ingress('late', { rules: rules('late.org', 'late') })
    await bed.untilStatus({ host: 'late.org' }, 200)
    const answer = bed.ask({ host: 'late.org' })
    await pause(50)
    const stopped = bed.service.stop(5000)
    expect((await answer).body).toBe('late')
    await stopped
    await expect(bed.ask({ host: 'late.org' })).rejects.toThrow('ECONNREFUSED')
  })
})
