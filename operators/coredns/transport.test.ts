/** Sockets: IPv6, TCP with several questions and damaged ones, upstreams over TCP and TLS. */
import { execFileSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import { afterEach, expect, test } from '@jest/globals'
import { type DnsListener, listenDns } from './server/listener.ts'
import { queryBytes, readable, startServer, type TestServer } from './testing.ts'
import { flags } from './wire/constants.ts'
import { decode, encode } from './wire/message.ts'
import { addressRecord } from './wire/records.ts'

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

const listen = async (host: string, server: TestServer): Promise<DnsListener> => {
  const listener = await listenDns(host, 0, {
    udp: (packet, _, send) => void server.send(packet).then(answer => answer && send(answer)),
    tcp: packet => server.send(packet, true),
  })
  ends.push(() => listener.close())
  return listener
}

const hosts = async () => {
  const server = await startServer('. {\n hosts {\n 192.0.2.1 a.org\n 2001:db8::1 a.org\n }\n}')
  ends.push(() => server.stop())
  return server
}

const hasIpv6 = Object.values(networkInterfaces()).some(list => list?.some(({ address }) => address === '::1'))

test('IPv6 is a transport like any other', async () => {
  if (!hasIpv6) return console.log('dns over IPv6: skipped, there is no ::1')
  const { port } = await listen('::1', await hosts())
  const client = createSocket('udp6')
  ends.push(() => client.close())
  client.send(queryBytes('a.org.', 'AAAA'), port, '::1')
  const [answer] = (await once(client, 'message')) as [Buffer]
  expect(readable(answer).answers).toEqual(['a.org. 3600 AAAA 2001:db8::1'])
})

const framed = (packet: Buffer) => Buffer.concat([Buffer.from([packet.length >> 8, packet.length & 255]), packet])

/** Answers as they come in, without their lengths. */
function collect(socket: Socket): Buffer[] {
  const answers: Buffer[] = []
  let received = Buffer.alloc(0)
  socket.on('data', data => {
    received = Buffer.concat([received, data])
    while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
      const end = 2 + received.readUInt16BE(0)
      answers.push(received.subarray(2, end))
      received = received.subarray(end)
    }
  })
  return answers
}

test('TCP: questions in one piece or byte by byte are answered in order; a damaged one gets FORMERR and costs nothing else', async () => {
  const { port } = await listen('127.0.0.1', await hosts())
  const socket = connect(port, '127.0.0.1')
  ends.push(() => socket.destroy())
  const answers = collect(socket)
  const damaged = queryBytes('a.org.', 'A')
  damaged[12] = 200
  const packets = [queryBytes('a.org.', 'A'), damaged, queryBytes('a.org.', 'AAAA')]
  socket.write(Buffer.concat(packets.map(framed)))
  for (const byte of framed(queryBytes('A.org.', 'A'))) {
    socket.write(Buffer.from([byte]))
    await new Promise(resolve => setImmediate(resolve))
  }
  while (answers.length < 4) await once(socket, 'data')
  expect(answers.map(answer => readable(answer).rcode)).toEqual(['NOERROR', 'FORMERR', 'NOERROR', 'NOERROR'])
  expect(answers.slice(0, 3).map(answer => answer.readUInt16BE(0))).toEqual(
    packets.map(packet => packet.readUInt16BE(0)),
  )
})

/** Answers everything with 192.0.2.53. */
function answerOf(packet: Buffer): Buffer {
  const { id, questions } = decode(packet)
  const answers = [addressRecord(questions[0]!.name, 30, '192.0.2.53')]
  return encode(
    { id, flags: flags.response, question: questions[0], answers, authorities: [], additionals: [], edns: undefined },
    65_535,
  ).bytes
}

function serve(socket: Socket): void {
  const asked = collect(socket)
  socket.on('error', () => {})
  socket.on('data', () => {
    for (const packet of asked.splice(0)) socket.write(framed(answerOf(packet)))
  })
}

test('force_tcp asks upstreams over TCP, on one connection after the other question', async () => {
  let connections = 0
  const upstream = createServer(socket => {
    connections++
    serve(socket)
  }).listen(0, '127.0.0.1')
  await once(upstream, 'listening')
  const server = await startServer(
    `. {\n forward . 127.0.0.1:${(upstream.address() as AddressInfo).port} {\n force_tcp\n}\n}`,
  )
  ends.push(
    () => server.stop(),
    () => upstream.close(),
  )
  for (const name of ['a.org.', 'b.org.']) expect((await server.ask(name)).answers).toEqual([`${name} 30 A 192.0.2.53`])
  expect(connections).toBe(1)
})

test('tls:// upstreams are asked when their certificate is good, and only then', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'skiff-dot-'))
  ends.push(() => rmSync(folder, { recursive: true }))
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const request = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-days',
    '2',
    '-subj',
    '/CN=dns.test',
    '-addext',
    'subjectAltName=DNS:dns.test',
  ]
  execFileSync('openssl', [...request, '-keyout', key, '-out', cert], { stdio: 'ignore' })
  const upstream = createTlsServer({ key: readFileSync(key), cert: readFileSync(cert) }, serve).listen(0, '127.0.0.1')
  upstream.on('tlsClientError', () => {})
  await once(upstream, 'listening')
  ends.push(() => upstream.close())
  const { port } = upstream.address() as AddressInfo
  const asked = async (options: string) => {
    const files = { '/ca.pem': readFileSync(cert, 'utf8') }
    const server = await startServer(`. {\n forward . tls://127.0.0.1:${port} {\n max_fails 0\n ${options}\n}\n}`, {
      files,
    })
    ends.push(() => server.stop())
    return (await server.ask('a.org.')).rcode
  }
  expect(await asked('tls /ca.pem\n tls_servername dns.test')).toBe('NOERROR')
  expect(await asked('tls /ca.pem\n tls_servername other.test')).toBe('SERVFAIL')
  expect(await asked('tls_servername dns.test')).toBe('SERVFAIL')
}, 20_000)
