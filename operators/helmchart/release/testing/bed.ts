/** A whole API server in the test's process, and release engines on it. */

import { setTimeout as delay } from 'node:timers/promises'
import { isNotFound } from '../../../../bootstrap/api/errors.ts'
import type { KubeObject } from '../../../../bootstrap/api/object.ts'
import { type AssembledTestServer, assembledTestServer } from '../../../../bootstrap/apiserver/testing-assembled.ts'
import type { Client, Resource } from '../../../../bootstrap/client/client.ts'
import { systemClock } from '../../../../bootstrap/client/clock.ts'
import { configMaps, jobs, namespaces } from '../../../../bootstrap/client/resources.ts'
import type { EngineOptions } from '../context.ts'
import { createReleaseActions } from '../engine.ts'
import type { Release, ReleaseActions } from '../release.ts'
import { renderCharts } from './charts.ts'

/** Release engines on some API server. */
export interface Workbench {
  readonly api: Client
  engine(options?: Partial<EngineOptions>): ReleaseActions
  /** A namespace of the test's own. */
  namespace(): Promise<string>
  /** Names and `data` of the ConfigMaps of a namespace, without those of the storage. */
  configMaps(namespace: string): Promise<{ [name: string]: unknown }>
  get(resource: Resource, namespace: string, name: string): Promise<KubeObject | undefined>
  /** Ends every Job at once, as its controller would: well, or badly where its name has "bad". */
  runJobs(signal: AbortSignal): Promise<void>
}

export interface Bed extends Workbench, AssembledTestServer {}

export const silent = { debug() {}, info() {}, warn() {}, error() {} }

/** With `runJobs` every Job ends at once, until the bed is stopped. */
export async function releaseBed(options: { readonly runJobs?: boolean } = {}): Promise<Bed> {
  const server = await assembledTestServer()
  const bench = workbenchOn(server.client())
  const ending = new AbortController()
  if (options.runJobs) void bench.runJobs(ending.signal).catch(() => {})
  const stop = () => {
    ending.abort()
    return server.stop()
  }
  return { ...server, ...bench, stop }
}

export function workbenchOn(api: Client): Workbench {
  let count = 0
  return {
    api,
    engine: (options = {}) =>
      createReleaseActions({
        client: api,
        render: renderCharts,
        clock: systemClock,
        log: silent,
        signal: new AbortController().signal,
        driver: 'secret',
        ...options,
      }),
    async namespace() {
      const name = `test-${++count}`
      await api.create<KubeObject>(namespaces as Resource, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
      return name
    },
    async configMaps(namespace) {
      const { items } = await api.list(configMaps, { namespace })
      const own = items.filter(({ metadata }) => metadata.labels?.owner !== 'helm')
      return Object.fromEntries(own.map(({ metadata, data }) => [metadata.name ?? '', data]))
    },
    get: (resource, namespace, name) =>
      api.get(resource, { namespace, name }).catch(error => {
        if (isNotFound(error)) return undefined
        throw error
      }),
    runJobs: signal => runJobs(api, signal),
  }
}

async function runJobs(client: Client, signal: AbortSignal): Promise<void> {
  const time = () => new Date().toISOString().replace(/\.\d+Z/, 'Z')
  const { resourceVersion } = await client.list(jobs)
  for await (const event of client.watch(jobs, { resourceVersion }, signal)) {
    if (event.type !== 'ADDED') continue
    const bad = event.object.metadata.name?.includes('bad')
    const types = bad ? ['FailureTarget', 'Failed'] : ['SuccessCriteriaMet', 'Complete']
    const conditions = types.map(type => ({ type, status: 'True', lastTransitionTime: time(), reason: type }))
    const ended = bad ? { failed: 1 } : { succeeded: 1, completionTime: time() }
    const status = { startTime: time(), conditions, ...ended }
    await client.update(jobs, { ...event.object, status } as typeof event.object, { subresource: 'status' })
  }
}

/** "2 deployed: Upgrade complete" for each revision. */
export const summary = (history: readonly Release[]) =>
  history.map(({ version, info }) => `${version} ${info.status}: ${info.description}`)

/** Resolves once `met` does with true; rejects when it never does. */
export async function until(met: () => Promise<boolean>): Promise<void> {
  for (let left = 500; left > 0; left--) {
    if (await met()) return
    await delay(10)
  }
  throw new Error('it never happened')
}
