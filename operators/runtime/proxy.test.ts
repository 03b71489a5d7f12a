import { expect, test } from '@jest/globals'
import { proxyFor } from './proxy.ts'

const of = (url: string, variables: { readonly [name: string]: string }) => proxyFor(new URL(url), variables)?.href

test.each([
  ['https://a.test', { HTTPS_PROXY: 'http://p:1' }, 'http://p:1/'],
  ['https://a.test', { https_proxy: 'p:1' }, 'http://p:1/'],
  ['https://a.test', { HTTP_PROXY: 'http://p:1' }, undefined],
  ['http://a.test', { HTTP_PROXY: 'http://p:1' }, 'http://p:1/'],
  ['http://a.test', { ALL_PROXY: 'http://p:1' }, 'http://p:1/'],
  ['http://localhost:8', { HTTP_PROXY: 'http://p:1' }, undefined],
  ['http://127.0.0.2', { HTTP_PROXY: 'http://p:1' }, undefined],
  ['http://[::1]', { HTTP_PROXY: 'http://p:1' }, undefined],
])('%s with %j: %s', (url, variables, proxy) => expect(of(url, variables)).toBe(proxy))

test.each([
  ['*', 'a.test', true],
  ['a.test', 'a.test', true],
  ['a.test', 'b.a.test', true],
  ['a.test', 'ba.test', false],
  ['.a.test', 'b.a.test', true],
  ['.a.test', 'a.test', false],
  ['*.a.test', 'b.a.test', true],
  ['a.test:8080', 'a.test', false],
  ['a.test:80', 'a.test', true],
  ['x, .svc ,10.0.0.0/8', '10.9.8.7', true],
  ['10.0.0.0/8', '11.0.0.1', false],
  ['10.0.0.1', '10.0.0.1', true],
  ['fd00::/8', '[fd00::1]', true],
  ['fd00::/8', '10.0.0.1', false],
  ['10.0.0.0/nonsense', '10.0.0.1', false],
])('NO_PROXY=%s, %s', (list, host, direct) => {
  expect(of(`http://${host}`, { HTTP_PROXY: 'http://p:1', NO_PROXY: list })).toBe(direct ? undefined : 'http://p:1/')
})

test('a proxy of another kind is said to be unsupported', () => {
  expect(() => of('http://a.test', { ALL_PROXY: 'socks5://p:1' })).toThrow('proxy "socks5://p:1" is not supported')
})
