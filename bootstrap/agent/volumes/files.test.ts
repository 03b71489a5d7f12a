import { expect, test } from '@jest/globals'
import type { Volume } from '../../api/types.gen.ts'
import type { Pod } from '../../client/resources.ts'
import { type FileSources, filesOf, referencesOf } from './files.ts'

const pod = (fsGroup?: number): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'n', labels: { app: 'web' } },
  spec: { containers: [], ...(fsGroup === undefined ? {} : { securityContext: { fsGroup } }) },
})

const sources = (asking: Pod): FileSources => ({
  pod: asking,
  addresses: { podIps: [], hostIps: [] },
  references: {
    configMap: async (namespace, name) => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name, namespace },
      data: { key: `${namespace}/${name}` },
    }),
    secret: async (namespace, name) => ({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name, namespace },
      data: { key: Buffer.from(`secret ${name}`).toString('base64') },
    }),
  },
  tokens: { get: async (_, audience, seconds) => ({ text: `${audience}:${seconds}`, refreshAt: 5000 }) },
  node: () => ({ milliCpu: 1000, memory: 1, ephemeralStorage: 1 }),
})

const everything: Volume = {
  name: 'v',
  projected: {
    sources: [
      { configMap: { name: 'c', items: [{ key: 'key', path: 'config' }] } },
      { secret: { name: 's', items: [{ key: 'key', path: 'secret' }] } },
      { downwardAPI: { items: [{ path: 'app', fieldRef: { fieldPath: "metadata.labels['app']" } }] } },
      { serviceAccountToken: { path: 'token', audience: 'me' } },
    ],
  },
}

test.each([
  [undefined, 0o644],
  [2000, 0o600],
])('a projected volume gathers all its sources (fsGroup %p)', async (fsGroup, tokenMode) => {
  const { files, refreshAt } = await filesOf(everything, sources(pod(fsGroup)))
  expect(Array.from(files, ([path, { content, mode }]) => [path, content.toString(), mode])).toEqual([
    ['config', 'n/c', 0o644],
    ['secret', 'secret s', 0o644],
    ['app', 'web', 0o644],
    ['token', 'me:3600', tokenMode],
  ])
  expect(refreshAt).toBe(5000)
})

test('files of a ConfigMap last', async () => {
  const { files, refreshAt } = await filesOf(
    { name: 'v', configMap: { name: 'c', defaultMode: 0o400 } },
    sources(pod()),
  )
  expect(files.get('key')?.mode).toBe(0o400)
  expect(refreshAt).toBe(Number.POSITIVE_INFINITY)
})

test('what a volume refers to', () => {
  expect(referencesOf(everything)).toEqual([
    { kind: 'configMap', name: 'c' },
    { kind: 'secret', name: 's' },
  ])
})
