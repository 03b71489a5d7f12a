import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { defaultS3Config } from '../../../bootstrap/config/s3-config.ts'
import { endpointCas, endpointUrl, proxyOf, usesPathStyle } from './endpoint.ts'
import type { S3Settings } from './settings.ts'

const { configSecret: _, ...defaults } = defaultS3Config
const settings = (given: Partial<S3Settings>): S3Settings => ({ ...defaults, ...given })

describe('the endpoint', () => {
  test.each([
    [{}, 'https://s3.us-east-1.amazonaws.com/'],
    [{ region: 'eu-west-1' }, 'https://s3.eu-west-1.amazonaws.com/'],
    [{ region: 'cn-north-1' }, 'https://s3.cn-north-1.amazonaws.com.cn/'],
    [{ endpoint: 's3.test' }, 'https://s3.test/'],
    [{ endpoint: 's3.test:9000', insecure: true }, 'http://s3.test:9000/'],
    [{ endpoint: '[::1]:9000' }, 'https://[::1]:9000/'],
  ])('%j: %s', (given, url) => expect(endpointUrl(settings(given)).href).toBe(url))

  test.each([
    ['https://s3.test', 'without a scheme; etcd-s3-insecure chooses http'],
    ['s3.test/path', 'want host or host:port'],
    ['s3.test/', 'want host or host:port'],
    ['user@s3.test', 'want host or host:port'],
    ['s3 test', 'want host or host:port'],
    ['', 'want host or host:port'],
  ])('%j is refused', (endpoint, why) => {
    expect(() => endpointUrl(settings({ endpoint }))).toThrow(`invalid etcd-s3-endpoint "${endpoint}"`)
    expect(() => endpointUrl(settings({ endpoint }))).toThrow(why)
  })
})

test.each([
  [{}, false],
  [{ bucket: 'a.b' }, true],
  [{ bucket: 'a.b', insecure: true }, false],
  [{ bucket: 'a.b', bucketLookup: 'dns' }, false],
  [{ bucketLookup: 'PATH' }, true],
  [{ endpoint: 's3.eu-west-1.amazonaws.com' }, false],
  [{ endpoint: 's3.cn-north-1.amazonaws.com.cn' }, false],
  [{ endpoint: 'storage.googleapis.com:443' }, false],
  [{ endpoint: 'oss-cn-hangzhou.aliyuncs.com' }, false],
  [{ endpoint: 'minio.test:9000' }, true],
  [{ endpoint: 'notamazonaws.com' }, true],
  [{ endpoint: 'minio.test', bucketLookup: 'DNS' }, false],
  [{ endpoint: 'minio.test', bucketLookup: 'auto' }, true],
])('path style for %j: %s', (given, path) => expect(usesPathStyle(settings({ bucket: 'b', ...given }))).toBe(path))

describe('the proxy', () => {
  const env = { HTTPS_PROXY: 'http://env:3128', NO_PROXY: '10.0.0.0/8' }
  const of = (proxy: string, host = 's3.test') => proxyOf(settings({ proxy }), new URL(`https://${host}`), env)?.href

  test.each([
    ['', 's3.test', 'http://env:3128/'],
    ['', '10.1.2.3', undefined],
    ['', '127.0.0.1', undefined],
    ['none', 's3.test', undefined],
    ['http://own:8080', 's3.test', 'http://own:8080/'],
    ['http://own:8080', '10.1.2.3', 'http://own:8080/'],
    ['https://user:secret@own', 's3.test', 'https://user:secret@own/'],
  ])('%j for %s: %s', (proxy, host, expected) => expect(of(proxy, host)).toBe(expected))

  test.each([
    ['/proxy', 'proxy URL must include scheme and host'],
    ['proxy', 'proxy URL must include scheme and host'],
    ['mailto:x', 'proxy URL must include scheme and host'],
    ['http://%invalid', 'failed to parse etcd-s3-proxy value as URL'],
    ['socks5://own:1080', 'want http://HOST:PORT or https://HOST:PORT'],
  ])('%j is refused', (proxy, why) => expect(() => of(proxy)).toThrow(why))

  test('one of the environment that cannot be used is refused with what to do', () => {
    const variables = { HTTPS_PROXY: 'socks5://p:1' }
    expect(() => proxyOf(settings({}), new URL('https://s3.test'), variables)).toThrow('etcd-s3-proxy can name another')
  })
})

describe('CAs of the endpoint', () => {
  const pem = (text: string) => `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----`
  const base64 = (text: string) => Buffer.from(text).toString('base64')

  test('files and base64 of PEM, several of each', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'skiff-s3-'))
    try {
      const file = join(dir, 'ca.crt')
      await writeFile(file, `comment\n${pem('A')}\n${pem('B')}\n`)
      expect(await endpointCas(`${file} ${base64(`${pem('C')}\n`)}`)).toEqual([pem('A'), pem('B'), pem('C')])
    } finally {
      await rm(dir, { recursive: true })
    }
  })

  test("none: the system's", async () => expect(await endpointCas('')).toBeUndefined())

  test('a missing file is named', async () => {
    await expect(endpointCas('/nowhere/ca.crt')).rejects.toThrow(
      'cannot read etcd-s3-endpoint-ca /nowhere/ca.crt: ENOENT',
    )
  })

  test('nothing in it is a certificate', async () => {
    await expect(endpointCas(base64('nonsense'))).rejects.toThrow('no certificates loaded from etcd-s3-endpoint-ca')
  })
})
