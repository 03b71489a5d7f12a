import { describe, expect, test } from '@jest/globals'
import { errors } from '../../../bootstrap/api/errors.ts'
import type { ConfigMap, Secret } from '../../../bootstrap/api/types.gen.ts'
import type { Client } from '../../../bootstrap/client/client.ts'
import { defaultS3Config } from '../../../bootstrap/config/s3-config.ts'
import { type S3Config, settingsOf, settingsOfSecret } from './settings.ts'

const base64 = (text: string) => Buffer.from(text).toString('base64')

const secretOf = (values: { readonly [name: string]: string }): Secret => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: 'bucket', namespace: 'kube-system' },
  data: Object.fromEntries(Object.entries(values).map(([name, value]) => [`etcd-s3-${name}`, base64(value)])),
})

function kubeSystem(objects: { readonly [path: string]: Secret | ConfigMap }) {
  const warnings: string[] = []
  const client = {
    get: async ({ resource }: { resource: string }, { namespace, name }: { namespace: string; name: string }) => {
      const found = objects[`${resource}/${name}`]
      if (namespace !== 'kube-system' || !found) throw errors.notFound({ group: '', resource }, name)
      return found
    },
  } as unknown as Pick<Client, 'get'>
  return { warnings, sources: { client, log: { warn: (_: object, message: string) => void warnings.push(message) } } }
}

const config = (given: Partial<S3Config> = {}): S3Config => ({ ...defaultS3Config, ...given })

describe('where the settings come from', () => {
  const objects = { 'secrets/bucket': secretOf({ bucket: 'from-secret', endpoint: 's3.test' }) }

  test('flags, when there is no Secret', async () => {
    const { sources } = kubeSystem({})
    expect(await settingsOf(config({ bucket: 'b' }), sources)).toMatchObject({ bucket: 'b', region: 'us-east-1' })
  })

  test('nothing at all is an error', async () => {
    const { sources } = kubeSystem({})
    await expect(settingsOf(config(), sources)).rejects.toThrow('s3 configuration was not set')
  })

  test('the Secret, when no flag but the retention is given', async () => {
    const { sources, warnings } = kubeSystem(objects)
    const settings = await settingsOf(config({ configSecret: 'bucket', retention: 9 }), sources)
    expect(settings).toMatchObject({ bucket: 'from-secret', endpoint: 's3.test', retention: 9 })
    expect(settings).not.toHaveProperty('configSecret')
    expect(warnings).toEqual([])
  })

  const others: Partial<S3Config>[] = [
    { bucket: 'b' },
    { endpoint: 'e' },
    { region: 'eu-west-1' },
    { insecure: true },
    { skipSSLVerify: true },
    { timeoutMs: 1000 },
    { folder: 'f' },
    { sessionToken: 't' },
  ]
  test.each(others)('the Secret is ignored beside %j', async given => {
    const { sources, warnings } = kubeSystem(objects)
    const settings = await settingsOf(config({ configSecret: 'bucket', ...given }), sources)
    expect(settings).toMatchObject(given)
    expect(settings.bucket).not.toBe('from-secret')
    expect(warnings).toEqual(['the S3 config Secret is ignored: other etcd-s3 flags are given'])
  })

  test('a missing Secret is an error that may pass', async () => {
    const { sources } = kubeSystem({})
    await expect(settingsOf(config({ configSecret: 'bucket' }), sources)).rejects.toMatchObject({
      message: 'failed to get config from etcd-s3-config-secret "bucket": secrets "bucket" not found',
      retriable: true,
    })
  })

  test('without a cluster the Secret cannot be read', async () => {
    const { sources } = kubeSystem(objects)
    await expect(settingsOf(config({ configSecret: 'bucket' }), { log: sources.log })).rejects.toThrow(
      'give the etcd-s3 flags instead',
    )
  })
})

describe('what a Secret says', () => {
  const read = (values: { readonly [name: string]: string }, cas?: ConfigMap) => {
    const { sources, warnings } = kubeSystem({})
    return { settings: settingsOfSecret(secretOf(values), cas, 5, sources.log), warnings }
  }

  test('every key', () => {
    const { settings, warnings } = read({
      'access-key': 'AK',
      'secret-key': 'SK',
      'session-token': 'T',
      bucket: 'b',
      'bucket-lookup-type': 'dns',
      endpoint: 's3.test:9000',
      'endpoint-ca': 'PEM',
      folder: 'a/b',
      insecure: 't',
      proxy: 'none',
      region: 'eu-west-1',
      retention: '7',
      'skip-ssl-verify': 'TRUE',
      timeout: '1m30s',
    })
    expect(settings).toEqual({
      accessKey: 'AK',
      secretKey: 'SK',
      sessionToken: 'T',
      bucket: 'b',
      bucketLookup: 'dns',
      endpoint: 's3.test:9000',
      endpointCA: base64('PEM'),
      folder: 'a/b',
      insecure: true,
      proxy: 'none',
      region: 'eu-west-1',
      retention: 7,
      skipSSLVerify: true,
      timeoutMs: 90_000,
    })
    expect(warnings).toEqual([])
  })

  test('nothing: the defaults', () => {
    const { configSecret: _, ...defaults } = defaultS3Config
    expect(read({}).settings).toEqual(defaults)
  })

  test('values that cannot be parsed are told and left out', () => {
    const { settings, warnings } = read({
      insecure: 'yes',
      timeout: '5 minutes',
      'skip-ssl-verify': '',
      retention: 'x',
    })
    expect(settings).toMatchObject({ insecure: false, timeoutMs: 300_000, skipSSLVerify: false, retention: 5 })
    expect(warnings).toEqual(Array(4).fill('cannot parse a value of the S3 config Secret'))
  })

  test('CAs of a ConfigMap come after the one in the Secret', async () => {
    const cas: ConfigMap = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: {},
      data: { a: 'A' },
      binaryData: { b: base64('B') },
    }
    expect(read({ 'endpoint-ca': 'S' }, cas).settings.endpointCA).toBe(
      [base64('S'), base64('A'), base64('B')].join(' '),
    )
    const { sources } = kubeSystem({
      'secrets/bucket': secretOf({ bucket: 'b', 'endpoint-ca-name': 'cas' }),
      'configmaps/cas': cas,
    })
    const settings = await settingsOf(config({ configSecret: 'bucket' }), sources)
    expect(settings.endpointCA).toBe([base64('A'), base64('B')].join(' '))
  })

  test('a missing ConfigMap of CAs is told', async () => {
    const { sources, warnings } = kubeSystem({
      'secrets/bucket': secretOf({ bucket: 'b', 'endpoint-ca-name': 'cas' }),
    })
    expect((await settingsOf(config({ configSecret: 'bucket' }), sources)).endpointCA).toBe('')
    expect(warnings).toEqual(['cannot read the ConfigMap that etcd-s3-endpoint-ca-name names'])
  })
})
