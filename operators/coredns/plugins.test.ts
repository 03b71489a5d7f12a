import { createSocket, type Socket } from 'node:dgram'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { resolvConfServers } from './plugins/forward/config.ts'
import { parseHosts } from './plugins/hosts.ts'
import { compileTemplate } from './plugins/template/gotemplate.ts'
import { TemplateError } from './plugins/template/values.ts'
import { startServer, type TestServer } from './testing.ts'
import { flags, types } from './wire/constants.ts'
import { decode, encode } from './wire/message.ts'
import { addressRecord, record, soaRecord } from './wire/records.ts'
import { parseRecord } from './wire/text.ts'

let server: TestServer

/** Answers A with 198.51.100.7 and TTL 20; "nx." with NXDOMAIN, "fail." with SERVFAIL, "mute." not at all. */
let upstream: Socket
let asked: string[]
let up: string

beforeAll(async () => {
  upstream = createSocket('udp4')
  upstream.on('message', (packet, peer) => {
    const { id, questions } = decode(packet)
    const [question] = questions
    const name = question!.name.toLowerCase()
    asked.push(name)
    if (name.startsWith('mute.')) return
    const rcode = name.startsWith('nx.') ? 3 : name.startsWith('fail.') ? 2 : 0
    const answers =
      rcode !== 0 || question!.type !== types.A
        ? []
        : name.startsWith('alias.')
          ? [
              record(question!.name, types.CNAME, 20, 'www.example.org.'),
              addressRecord('www.example.org.', 20, '198.51.100.8'),
            ]
          : [addressRecord(question!.name, 20, '198.51.100.7')]
    const authorities =
      rcode === 3 || (rcode === 0 && answers.length === 0) ? [soaRecord('example.org.', 60, 1, 10)] : []
    const word = flags.response | flags.recursionDesired | flags.recursionAvailable | rcode
    const { bytes } = encode(
      { id, flags: word, question, answers, authorities, additionals: [], edns: undefined },
      65_535,
    )
    upstream.send(bytes, peer.port, peer.address)
  })
  await new Promise<void>(resolve => upstream.bind(0, '127.0.0.1', resolve))
  up = `127.0.0.1:${upstream.address().port}`
})
beforeEach(() => {
  asked = []
})
afterAll(() => {
  upstream.close()
})

afterEach(() => server?.stop())

const start = (lines: string, given = {}) => startServer(`. {\n${lines}\n}`, given)

describe('cache', () => {
  test("answers age and are forgotten in time; the case is the asker's", async () => {
    server = await start(`cache 30\n forward . ${up}`)
    expect((await server.ask('www.example.org.')).answers).toEqual(['www.example.org. 20 A 198.51.100.7'])
    server.clock.now += 5500
    const found = await server.ask('WWW.example.org.')
    expect(found.answers).toEqual(['WWW.example.org. 15 A 198.51.100.7'])
    expect(found.flags).toContain('authoritative')
    server.clock.now += 15_000
    await server.ask('www.example.org.')
    expect(asked).toHaveLength(2)
  })

  test('denials are kept by their SOA, failures for five seconds', async () => {
    server = await start(`cache 30\n forward . ${up}`)
    for (const [name, seconds] of [
      ['nx.example.org.', 10],
      ['fail.example.org.', 5],
    ] as const) {
      asked = []
      await server.ask(name)
      server.clock.now += (seconds - 1) * 1000
      await server.ask(name)
      expect(asked).toHaveLength(1)
      server.clock.now += 1000
      await server.ask(name)
      expect(asked).toHaveLength(2)
    }
  })

  test('DO and CD are answers of their own; disable, keepttl and the largest TTL are honoured', async () => {
    server = await start(`cache 8 {\n disable denial example.org\n keepttl\n}\n forward . ${up}`)
    expect((await server.ask('a.org.')).answers).toEqual(['a.org. 8 A 198.51.100.7'])
    await server.ask('a.org.', 'A', { checkingDisabled: true })
    await server.ask('a.org.', 'A', { edns: { dnssecOk: true } })
    expect(asked).toHaveLength(3)
    server.clock.now += 3000
    expect((await server.ask('a.org.')).answers).toEqual(['a.org. 8 A 198.51.100.7'])
    await server.ask('nx.example.org.')
    await server.ask('nx.example.org.')
    expect(asked).toHaveLength(5)
  })

  test('serve_stale gives what has expired with TTL 0 and refreshes it', async () => {
    server = await start(`cache 30 {\n serve_stale 1m\n}\n forward . ${up}`)
    await server.ask('www.example.org.')
    server.clock.now += 25_000
    expect((await server.ask('www.example.org.')).answers).toEqual(['www.example.org. 0 A 198.51.100.7'])
    await new Promise(resolve => setTimeout(resolve, 50))
    expect((await server.ask('www.example.org.')).answers).toEqual(['www.example.org. 20 A 198.51.100.7'])
    expect(asked).toHaveLength(2)
  })

  test('prefetch asks again before a popular answer expires', async () => {
    server = await start(`cache 30 {\n prefetch 2 1m 50%\n}\n forward . ${up}`)
    await server.ask('www.example.org.')
    for (let second = 0; second < 12; second++) {
      server.clock.now += 1000
      await server.ask('www.example.org.')
    }
    await new Promise(resolve => setTimeout(resolve, 50))
    expect(asked).toHaveLength(2)
  })
})

describe('forward', () => {
  test('the next server answers for one that does not', async () => {
    server = await start(`forward . 127.0.0.1:1 ${up} {\n policy sequential\n}`)
    expect((await server.ask('www.example.org.')).answers).toHaveLength(1)
  })

  test('except and other zones are not passed on; too many at once are refused', async () => {
    server = await start(`errors\n forward example.org ${up} {\n except no.example.org\n max_concurrent 1\n}`)
    expect((await server.ask('x.no.example.org.')).rcode).toBe('SERVFAIL')
    expect((await server.ask('example.com.')).rcode).toBe('SERVFAIL')
    const both = await Promise.all([server.ask('a.example.org.'), server.ask('b.example.org.')])
    expect(both.map(({ rcode }) => rcode).sort()).toEqual(['NOERROR', 'REFUSED'])
    expect(server.log.join()).toContain('concurrent queries exceeded maximum 1')
  })

  test('an answer to another question does not count', async () => {
    const liar = createSocket('udp4')
    liar.on('message', (packet, peer) => {
      const { id, questions } = decode(packet)
      const send = (name: string, ip: string, wrongId = 0) => {
        const question = { ...questions[0]!, name }
        const sections = { flags: flags.response, question, authorities: [], additionals: [], edns: undefined }
        const { bytes } = encode({ id: id ^ wrongId, answers: [addressRecord(name, 9, ip)], ...sections }, 512)
        liar.send(bytes, peer.port, peer.address)
      }
      send('evil.example.org.', '203.0.113.1')
      send(questions[0]!.name, '203.0.113.2', 1)
      send(questions[0]!.name, '198.51.100.9')
    })
    await new Promise<void>(resolve => liar.bind(0, '127.0.0.1', resolve))
    server = await start(`forward . 127.0.0.1:${liar.address().port}`)
    expect((await server.ask('www.example.org.')).answers).toEqual(['www.example.org. 9 A 198.51.100.9'])
    liar.close()
  })

  test('servers of resolv.conf', () => {
    const text = '# x\nsearch a\nnameserver 192.0.2.1\nnameserver junk\n nameserver 2001:db8::1\n'
    expect(resolvConfServers(text).map(({ host }) => host)).toEqual(['192.0.2.1', '2001:db8::1'])
  })
})

describe('hosts', () => {
  test('a file and lines of the Corefile, both ways, read again when the file changes', async () => {
    server = await start(
      `hosts /etc/hosts {\n 192.0.2.9 inline\n ttl 60\n reload 10ms\n fallthrough\n}\n forward . ${up}`,
      {
        files: { '/etc/hosts': '192.0.2.2 box Box.lan # me\n2001:db8::2 box\n' },
      },
    )
    expect((await server.ask('box.lan.')).answers).toEqual(['box.lan. 60 A 192.0.2.2'])
    expect((await server.ask('box.', 'AAAA')).answers).toEqual(['box. 60 AAAA 2001:db8::2'])
    expect(await server.ask('inline.', 'AAAA')).toMatchObject({ rcode: 'NOERROR', answers: [] })
    expect([...(await server.ask('2.2.0.192.in-addr.arpa.', 'PTR')).answers].sort()).toEqual([
      '2.2.0.192.in-addr.arpa. 60 PTR box.',
      '2.2.0.192.in-addr.arpa. 60 PTR box.lan.',
    ])
    expect((await server.ask('other.')).answers).toEqual(['other. 20 A 198.51.100.7'])
    writeFileSync(join(server.folder, '/etc/hosts'), '192.0.2.33 box\n')
    await new Promise(resolve => setTimeout(resolve, 60))
    expect((await server.ask('box.')).answers).toEqual(['box. 60 A 192.0.2.33'])
    rmSync(join(server.folder, '/etc/hosts'))
    await new Promise(resolve => setTimeout(resolve, 60))
    expect((await server.ask('box.')).answers).toEqual(['box. 20 A 198.51.100.7'])
  })

  test('no_reverse, and a failure where nothing falls through', async () => {
    server = await start('hosts {\n 192.0.2.9 inline\n no_reverse\n}')
    expect((await server.ask('9.2.0.192.in-addr.arpa.', 'PTR')).rcode).toBe('SERVFAIL')
    expect((await server.ask('nope.')).rcode).toBe('SERVFAIL')
  })

  test('lines', () => {
    expect(parseHosts('192.0.2.2 a B\nnonsense x\n::1 c\n')).toEqual([
      { ip: '192.0.2.2', name: 'a' },
      { ip: '192.0.2.2', name: 'b' },
      { ip: '::1', name: 'c' },
    ])
  })
})

describe('rewrite', () => {
  const hosts = 'hosts {\n 192.0.2.1 web.svc.local\n 192.0.2.2 other.local\n fallthrough\n}'
  test.each([
    ['name old.org web.svc.local', 'Old.org.', ['Old.org. 3600 A 192.0.2.1']],
    ['name suffix .corp .svc.local answer auto', 'web.corp.', ['web.corp. 3600 A 192.0.2.1']],
    ['name suffix .corp .svc.local', 'web.corp.', ['web.svc.local. 3600 A 192.0.2.1']],
    ['name prefix my- web', 'my-.svc.local.', ['web.svc.local. 3600 A 192.0.2.1']],
    ['name substring old new', 'old.example.', ['new.example. 20 A 198.51.100.7']],
    ['name regex (.*)\\.reg {1}.svc.local answer auto', 'web.reg.', ['web.reg. 3600 A 192.0.2.1']],
    [
      'name regex (.*)\\.reg {1}.svc.local answer name (.*)\\.svc\\.local {1}.seen',
      'web.reg.',
      ['web.seen. 3600 A 192.0.2.1'],
    ],
    ['continue name a.org b.org\n rewrite name b.org web.svc.local', 'a.org.', ['a.org. 3600 A 192.0.2.1']],
    ['stop name a.org other.local\n rewrite name other.local web.svc.local', 'a.org.', ['a.org. 3600 A 192.0.2.2']],
    ['ttl suffix svc.local 30-60', 'web.svc.local.', ['web.svc.local. 60 A 192.0.2.1']],
    ['type A TXT', 'x.org.', []],
    [
      '{\n name exact a.org alias.example.org\n answer value www\\.example\\.org here.org\n}',
      'a.org.',
      ['a.org. 20 CNAME here.org.', 'www.example.org. 20 A 198.51.100.8'],
    ],
  ])('%j', async (rule, name, answers) => {
    server = await start(`rewrite ${rule}\n ${hosts}\n forward . ${up}`)
    const found = await server.ask(name)
    expect(found.answers).toEqual(answers)
    expect(found.question).toBe(`${name} A`)
  })

  test('rcode', async () => {
    server = await start(`rewrite rcode suffix example.org NXDOMAIN NOERROR\n forward . ${up}`)
    expect((await server.ask('nx.example.org.')).rcode).toBe('NOERROR')
  })
})

describe('template', () => {
  test('answers, groups, sections, fallthrough', async () => {
    server = await start(`template IN A example {
      match ^ip-(?P<a>[0-9]+)-(?P<b>[0-9]+)[.]example[.]$
      answer "{{ .Name }} 60 IN A 10.9.{{ .Group.a }}.{{ index .Match 2 }}"
      additional "ns.{{ .Zone }} 60 IN A 192.0.2.1"
      fallthrough
    }
    template ANY ANY no.org {
      rcode NXDOMAIN
      authority "{{ .Zone }} 60 {{ .Class }} SOA ns.{{ .Zone }} me.{{ .Zone }} (1 60 60 60 60)"
    }
    forward . ${up}`)
    expect(await server.ask('ip-1-22.example.')).toMatchObject({
      answers: ['ip-1-22.example. 60 A 10.9.1.22'],
      additionals: ['ns.example. 60 A 192.0.2.1'],
    })
    expect((await server.ask('other.example.')).answers).toEqual(['other.example. 20 A 198.51.100.7'])
    const denied = await server.ask('x.no.org.', 'MX')
    expect(denied.rcode).toBe('NXDOMAIN')
    expect(denied.authorities[0]).toMatch(/^no\.org\. 60 SOA ns\.no\.org\. me\.no\.org\. /)
  })

  const data = { Name: 'a.b.', Match: ['x', '1f'], Group: { n: '7' }, Remote: '192.0.2.1' }
  test.each([
    ['{{ .Name -}}   !', 'a.b.!'],
    ['{{ if eq .Group.n "7" }}yes{{ else }}no{{ end }}', 'yes'],
    ['{{ if eq .Group.n "8" }}yes{{ else if .Nope }}maybe{{ else }}no{{ end }}', 'no'],
    ['{{ range $i, $m := .Match }}{{ $i }}={{ $m }};{{ end }}', '0=x;1=1f;'],
    ['{{ $n := parseInt (index .Match 1) 16 8 }}{{ printf "%d.%02x" $n $n }}', '31.1f'],
    ['{{ with .Group }}{{ .n | printf "<%s>" }}{{ end }}', '<7>'],
    ['{{ .Nope }}{{/* nothing */}}', '<no value>'],
    ['{{ len .Match }}{{ not true }}{{ and 1 0 }}{{ or "" "z" }}', '2false0z'],
  ])('%s', (text, expected) => {
    expect(compileTemplate(text)(data)).toBe(expected)
  })

  test.each(['{{ .Name', '{{ if .x }}', '{{ end }}', '{{ nope .x }}', '{{ (len .x }}', '{{ define "x" }}{{ end }}'])(
    '%s is refused',
    text => {
      expect(() => compileTemplate(text)).toThrow(TemplateError)
    },
  )

  test('records as text', () => {
    expect(parseRecord('a.org. 1h IN MX 10 mail.org.')).toEqual(
      record('a.org.', types.MX, 3600, Buffer.from([0, 10]), 'mail.org.'),
    )
    expect(parseRecord('a.org AAAA ::1')).toEqual(addressRecord('a.org.', 3600, '::1'))
    expect(parseRecord('a.org. TXT "two words" x').data).toEqual([Buffer.from('\x09two words\x01x', 'latin1')])
    for (const text of ['', 'a.org.', 'a.org. A', 'a.org. A ::1', 'a.org. SRV 1 2 x y.org.', 'a.org. NOPE x'])
      expect(() => parseRecord(text)).toThrow()
  })
})

describe('log, errors, metrics, loop', () => {
  test('a line per query in the usual form, of the classes wanted', async () => {
    server = await start(`log example.org {\n class denial\n}\n log\n forward . ${up}`)
    await server.ask('www.example.org.')
    await server.ask('nx.example.org.')
    await server.ask('a.org.', 'AAAA', { edns: { dnssecOk: true } })
    expect(server.log).toHaveLength(2)
    expect(server.log[0]).toMatch(
      /^INFO 10\.42\.0\.9:4242 - \d+ "A IN nx\.example\.org\. udp 32 false 512" NXDOMAIN qr,rd,ra \d+ [\d.]+s$/,
    )
    expect(server.log[1]).toMatch(/"AAAA IN a\.org\. udp 34 true 1232" NOERROR/)
  })

  test('failures are logged where errors is there', async () => {
    server = await start('errors\n forward . 127.0.0.1:1 {\n max_fails 1\n}')
    await server.ask('www.example.org.')
    expect(server.log.join()).toMatch(/ERROR plugin\/errors: 2 www\.example\.org\. A: 127\.0\.0\.1:1/)
  }, 10_000)

  test("counted under CoreDNS' names, ready answers too", async () => {
    server = await start(`prometheus\n cache\n forward . ${up}`)
    for (let round = 0; round < 3; round++) await server.ask('www.example.org.')
    const text = server.metrics.registry.text()
    const labels = 'server="dns://:53",zone=".",view=""'
    expect(text).toContain(`coredns_dns_requests_total{${labels},proto="udp",family="1",type="A"} 3`)
    expect(text).toContain(`coredns_dns_responses_total{${labels},rcode="NOERROR",plugin="forward"} 3`)
    expect(text).toContain('coredns_cache_hits_total{server="dns://:53",type="success",zones=".",view=""} 2')
    expect(text).toContain('coredns_cache_misses_total{server="dns://:53",zones=".",view=""} 1')
    expect(text).toMatch(
      /coredns_proxy_request_duration_seconds_count\{proxy_name="forward",to="127\.0\.0\.1:\d+",rcode="NOERROR"\} 1/,
    )
  })

  test('a question that comes back to us is a loop', async () => {
    const seen: string[] = []
    upstream.once('message', packet => seen.push(decode(packet).questions[0]!.name))
    server = await start(`loop\n forward . ${up}`)
    await new Promise(resolve => setTimeout(resolve, 50))
    for (let round = 0; round < 3; round++) await server.ask(seen[0]!, 'HINFO')
    expect(server.log.find(line => line.startsWith('FATAL'))).toContain('detected for zone "."')
  })
})
