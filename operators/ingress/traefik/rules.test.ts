import { describe, expect, test } from '@jest/globals'
import type { Condition, Match } from '../model/model.ts'
import { RuleError } from './rule-lexer.ts'
import { hostsIn, matchesOf } from './rules.ts'

const show = (match: Match): string => {
  if (match.type === 'simple') return `${match.host} ${match.path.type} ${match.path.value}`
  if (match.type === 'default') return 'default'
  return match.all.map(conditionText).join(' & ')
}
const conditionText = ({ negated, test }: Condition): string => {
  const { type, ...rest } = test
  return `${negated ? '!' : ''}${type}(${Object.values(rest)
    .map(value => (typeof value === 'object' ? JSON.stringify(value) : value))
    .join(',')})`
}

describe('rules', () => {
  const cases: [string, string[]][] = [
    ['Host(`a.org`)', ['a.org segments /']],
    ['Host(`a.org`) && PathPrefix(`/x`)', ['a.org text /x']],
    ['Host("a.org") && Path(\'/x\')', ['a.org exact /x']],
    ['Host(`a.org`, `b.org`) && Path(`/x`)', ['a.org exact /x', 'b.org exact /x']],
    ['Host(`a.org`) || Host(`b.org`)', ['a.org segments /', 'b.org segments /']],
    ['Host(`a.org`) && (PathPrefix(`/x`) || PathPrefix(`/y`))', ['a.org text /x', 'a.org text /y']],
    ['Host(`a.org`) && !Method(`POST`)', ['host(a.org) & !method(POST)']],
    ['!(Host(`a.org`) || Method(`POST`))', ['!host(a.org) & !method(POST)']],
    ['!(Host(`a.org`) && Method(`POST`))', ['!host(a.org)', '!method(POST)']],
    ['!Host(`a.org`, `b.org`)', ['!host(a.org) & !host(b.org)']],
    ['PathPrefix(`/x`)', ['path({"type":"text","value":"/x"})']],
    ['Host(`a.org`) && PathPrefix(`/x/`)', ['host(a.org) & path({"type":"text","value":"/x/"})']],
    ['Header(`X-A`, `b`) && HeaderRegexp(`X-C`, `^d`)', ['header(X-A,b) & headerRegex(X-C,^d)']],
    ['Query(`a`, `b`) || Query(`c`) || QueryRegexp(`d`, `e`)', ['query(a,b)', 'query(c,)', 'queryRegex(d,e)']],
    ['ClientIP(`10.0.0.0/8`, `::1`)', ['clientIp(["10.0.0.0/8","::1"])']],
    ['HostRegexp(`^[a-z]+\\.org$`)', ['hostRegex((?i)^[a-z]+\\.org$)']],
    ['HostRegexp(`{sub:[a-z]+}.a.org`)', ['hostRegex((?i)^(?:[a-z]+)\\.a\\.org$)']],
    ['PathRegexp(`^/v[0-9]+`)', ['pathRegex(^/v[0-9]+)']],
  ]
  test.each(cases)('%s', (rule, wanted) => expect(matchesOf(rule, false).map(show)).toEqual(wanted))

  const errors: [string, string][] = [
    ['', 'expected a matcher such as Host(`example.com`), found the end at position 1'],
    ['Host(`a`', 'expected ,, found the end at position 9'],
    ['Host(a)', 'expected a text in backquotes, found "a" at position 6'],
    ['Host(`a`) Path(`/`)', 'expected &&, || or the end, found "Path" at position 11'],
    ['Host(`a`) && ', 'found the end at position 14'],
    ['Host(`a`) # x', 'unexpected "#" at position 11'],
    ['Hots(`a`)', 'unknown matcher Hots'],
    ['Path(`x`)', 'path "x" does not begin with a slash'],
    ['Header(`x`)', 'Header takes 2 arguments, not 1'],
  ]
  test.each(errors)('%s is refused', (rule, message) => {
    expect(() => matchesOf(rule, false)).toThrow(RuleError)
    expect(() => matchesOf(rule, false)).toThrow(message)
  })

  test('a rule that multiplies out is refused', () => {
    const part = '(Method(`A`) || Method(`B`) || Method(`C`) || Method(`D`))'
    expect(() => matchesOf([part, part, part, part].join(' && '), false)).toThrow('alternatives')
  })

  test('hosts of a rule, for TLS options', () =>
    expect(hostsIn(matchesOf('Host(`a`, `b`) && !Host(`c`) && Method(`GET`)', false))).toEqual(['a', 'b']))
})
