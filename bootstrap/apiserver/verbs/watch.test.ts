import { expect, test } from '@jest/globals'
import { CompactedError, FutureRevisionError } from '../../datastore/datastore.ts'
import { frames } from '../http/frames.ts'
import { kindRegistry } from '../schema/registry.ts'
import type { ResourceStore } from '../store/store.ts'
import { admin } from '../testing.ts'
import type { Call, VerbDeps } from './call.ts'
import { everything } from './listoptions.ts'
import { watchObjects } from './watch.ts'

const kind = kindRegistry().byResource('', 'v1', 'configmaps')!

test.each([
  [
    new CompactedError(5, 120),
    { code: 410, reason: 'Expired', status: 'Failure', message: 'too old resource version: 5 (120)' },
  ],
  [
    new FutureRevisionError(5, 3),
    { code: 504, reason: 'Timeout', message: 'Timeout: Too large resource version: 5, current: 3' },
  ],
])('%s becomes an ERROR event', async (error, status) => {
  const cache = {
    revision: 120,
    // biome-ignore lint/correctness/useYield: it fails before it has anything to yield
    async *watch() {
      throw error
    },
  }
  const deps = {
    store: { loaded: () => cache as unknown as ResourceStore },
    random: () => 0,
  } as unknown as VerbDeps
  const call: Call = {
    kind,
    namespace: 'default',
    name: '',
    subresource: '',
    user: admin,
    userAgent: 'test',
    signal: new AbortController().signal,
    warn: () => {},
  }
  const events = await watchObjects(deps, call, { ...everything, resourceVersion: '5' })
  const form = { format: 'json', pretty: false, as: undefined, asVersion: 'v1' } as const
  const sent: string[] = []
  for await (const chunk of frames({ kind, form, include: 'Metadata', now: 0 }, events)) sent.push(chunk.toString())
  expect(sent).toHaveLength(1)
  expect(JSON.parse(sent[0]!)).toMatchObject({ type: 'ERROR', object: { kind: 'Status', ...status } })
})
