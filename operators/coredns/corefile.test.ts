import { describe, expect, test } from '@jest/globals'
import { CorefileError, parseCorefile } from './corefile.ts'
import { startServer } from './testing.ts'

const none = () => []

describe('syntax', () => {
  test('blocks, quotes over lines, comments, variables, snippets', () => {
    const text = `# a comment
(common) {
  errors
  log
}
a.org, b.org:1053 { import common
  template IN A { # another
    answer "{{ .Name }}
      60 A 1.2.3.4 \\"x\\""
  }
  forward . {$UP} {%UP%}
}`
    const [block] = parseCorefile(text, 'Corefile', none, { UP: '192.0.2.1' })
    expect(block!.addresses).toEqual(['a.org', 'b.org:1053'])
    expect(block!.directives.map(({ name, args, line }) => [name, args, line])).toEqual([
      ['errors', [], 3],
      ['log', [], 4],
      ['template', ['IN', 'A'], 7],
      ['forward', ['.', '192.0.2.1', '192.0.2.1'], 11],
    ])
    expect(block!.directives[2]!.block[0]!.args).toEqual(['{{ .Name }}\n      60 A 1.2.3.4 "x"'])
  })

  test.each([
    ['.:53 {\n  errors\n', 'Corefile:2: a closing brace is missing'],
    ['.:53', 'Corefile:1: a server block needs an opening brace'],
    ['.:53 {\n import nothing\n}', 'Corefile:2: cannot import "nothing": there is no such file or snippet'],
    ['.:53 {\n import\n}', 'Corefile:2: import needs a file or a snippet'],
    ['(a) {\n}\n(a) {\n}', 'Corefile:3: the snippet "a" is there twice'],
    ['. {\n template "x\n}', 'Corefile:2: a quote is not closed'],
    ['. {\n }\n}', 'Corefile:3: unexpected "}"'],
  ])('%j is refused', (text, message) => {
    const parse = () => parseCorefile(text, 'Corefile', pattern => (pattern.includes('*') ? [] : undefined))
    expect(parse).toThrow(CorefileError)
    expect(parse).toThrow(message)
  })

  test('a circle of imports ends, and a mistake in an imported file names that file', () => {
    const read = () => [{ name: 'custom/x.override', text: 'errors\nimport self' }]
    expect(() => parseCorefile('. {\n import x\n}', 'Corefile', read)).toThrow(
      'custom/x.override:2: files import each other',
    )
    const broken = () => [{ name: 'custom/y.override', text: 'log {\n' }]
    expect(() => parseCorefile('. {\n import y\n}', 'Corefile', broken)).toThrow('custom/y.override:1: a closing brace')
  })
})

const wrapped = (lines: string) => `. {\n${lines}\n}`

describe('settings', () => {
  test.each([
    ['route53 x', 'Corefile:2: unknown plugin "route53": want one of any, bufsize, cache,'],
    ['forward .', 'Corefile:2: plugin/forward: forward wants a zone and at least one server'],
    ['forward . nonsense', 'not an IP address or file: "nonsense"'],
    ['forward . https://192.0.2.1', "'https' is not supported as a destination protocol in forward"],
    ['forward . 192.0.2.1 {\n policy fastest\n}', "Corefile:3: plugin/forward: unknown policy 'fastest'"],
    ['forward . 192.0.2.1 {\n max_fails x\n}', 'max_fails wants a whole number from 0'],
    ['forward . 192.0.2.1 {\n nope\n}', "plugin/forward: unknown property 'nope'"],
    ['kubernetes in-addr.arpa', 'plugin/kubernetes: non-reverse zone name must be used'],
    [
      'kubernetes c.local {\n pods sometimes\n}',
      'wrong value for pods: sometimes, must be one of: disabled, verified, insecure',
    ],
    ['kubernetes c.local {\n ttl 3601\n}', 'ttl wants a whole number from 0 to 3600'],
    [
      'kubernetes c.local {\n namespaces a\n namespace_labels x=y\n}',
      'namespaces and namespace_labels cannot both be set',
    ],
    ['kubernetes c.local {\n labels ((\n}', "unable to parse labels value: '(('"],
    ['kubernetes c.local {\n ignore everything\n}', "unable to parse ignore value: 'everything'"],
    ['kubernetes c.local {\n endpoint https://x\n}', 'endpoint is not supported'],
    ['kubernetes c.local\nkubernetes d.local', 'Corefile:3: plugin/kubernetes: this plugin can only be used once'],
    ['cache 0', 'cache wants a whole number from 1'],
    ['cache {\n servfail 10m\n}', 'caching SERVFAIL responses over 5 minutes is not permitted'],
    ['cache {\n prefetch 1 1m 95%\n}', 'prefetch wants a whole number from 10 to 90'],
    ['hosts {\n 1.2.3.400 x\n}', '"1.2.3.400" is no address'],
    ['log . {\n class funny\n}', 'plugin/log: invalid Class: funny'],
    ['loadbalance weighted', 'policy "weighted" is not supported'],
    ['reload 1s', 'interval value must be greater or equal to 2s'],
    ['rewrite name regex (.*) {2}', 'uses more subexpressions'],
    ['rewrite name a', 'too few arguments for a name rule'],
    ['rewrite colour a b', 'invalid rule type "colour"'],
    ['rewrite ttl example.org x', "invalid TTL 'x' for a ttl rule"],
    ['template IN A {\n answer "{{ .Name "\n}', 'could not compile template'],
    ['template IN NOTYPE', 'invalid RR class NOTYPE'],
    ['template IN A {\n match "("\n}', 'could not parse regex: ('],
    ['errors /var/log/x', 'can only log to stdout'],
    ['health nowhere', '"nowhere" is no address, want for example :8080'],
  ])('%j is refused', async (lines, message) => {
    await expect(startServer(wrapped(lines))).rejects.toThrow(message)
  })

  test('a zone and port can be there once; transports are ours', async () => {
    await expect(startServer('. {\n}\n.:53 {\n}')).rejects.toThrow('cannot serve dns://.:53 - it is already defined')
    await expect(startServer('tls://. {\n}')).rejects.toThrow('tls:// is not supported')
    await expect(startServer('')).rejects.toThrow('there is no server block')
  })

  test('networks stand for their reverse zones', async () => {
    const server = await startServer('10.0.0.0/14 2001:db8::/32 {\n}')
    expect(server.configuration.routes.map(({ zone }) => zone).sort()).toEqual([
      '0.10.in-addr.arpa.',
      '1.10.in-addr.arpa.',
      '2.10.in-addr.arpa.',
      '3.10.in-addr.arpa.',
      '8.b.d.0.1.0.0.2.ip6.arpa.',
    ])
    server.stop()
  })
})
