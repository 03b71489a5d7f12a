import { expect, test } from '@jest/globals'
import { serverFlags } from './flags.ts'
import { parseFlags } from './parse.ts'
import { defaultS3Config, s3Config } from './s3-config.ts'

const of = (args: readonly string[], env: { readonly [name: string]: string } = {}) =>
  s3Config(parseFlags(serverFlags, [], args, env))

test('nothing goes to S3 unless asked for', () => expect(of(['--etcd-s3-bucket=b'])).toBeUndefined())

test('the flags have the defaults that a Secret is held against', () =>
  expect(of(['--etcd-s3'])).toEqual(defaultS3Config))

test('every flag counts', () => {
  const args = {
    'access-key': 'AK',
    'secret-key': 'SK',
    'session-token': 'T',
    bucket: 'b',
    'bucket-lookup-type': 'path',
    'config-secret': 's',
    endpoint: 's3.test:9000',
    'endpoint-ca': '/ca.crt',
    folder: 'f',
    insecure: 'true',
    proxy: 'none',
    region: 'eu-west-1',
    retention: '7',
    'skip-ssl-verify': 'true',
    timeout: '1m',
  }
  expect(of(['--etcd-s3', ...Object.entries(args).map(([name, value]) => `--etcd-s3-${name}=${value}`)])).toEqual({
    accessKey: 'AK',
    secretKey: 'SK',
    sessionToken: 'T',
    bucket: 'b',
    bucketLookup: 'path',
    configSecret: 's',
    endpoint: 's3.test:9000',
    endpointCA: '/ca.crt',
    folder: 'f',
    insecure: true,
    proxy: 'none',
    region: 'eu-west-1',
    retention: 7,
    skipSSLVerify: true,
    timeoutMs: 60_000,
  })
})

test("credentials may come from Amazon's variables", () => {
  const env = { AWS_ACCESS_KEY_ID: 'AK', AWS_SECRET_ACCESS_KEY: 'SK', AWS_SESSION_TOKEN: 'T' }
  expect(of(['--etcd-s3'], env)).toMatchObject({ accessKey: 'AK', secretKey: 'SK', sessionToken: 'T' })
})

test('S3 keeps as many as the disk unless told', () => {
  expect(of(['--etcd-s3', '--etcd-snapshot-retention=9'])?.retention).toBe(9)
  expect(of(['--etcd-s3', '--etcd-snapshot-retention=9', '--etcd-s3-retention=3'])?.retention).toBe(3)
})
