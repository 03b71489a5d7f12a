/** /healthz, /livez and /readyz with their sub-checks (apiserver pkg/server/healthz). */
import type { Store } from '../store/store.ts'
import type { ApiRequest, ApiResponse } from './message.ts'
import { textResponse } from './message.ts'
import { isTrue } from './requestinfo.ts'

export interface HealthCheck {
  readonly name: string
  /** Why it fails; undefined when all is well. */
  check(): Promise<string | undefined> | string | undefined
}

/** Answers the health paths; undefined for any other. */
export type Health = (request: Pick<ApiRequest, 'path' | 'query'>) => Promise<ApiResponse | undefined>

export function createHealth(ready: () => boolean, store: Store, extra: readonly HealthCheck[]): Health {
  const ping: HealthCheck = { name: 'ping', check: () => undefined }
  const log: HealthCheck = { name: 'log', check: () => undefined }
  const datastore: HealthCheck = {
    name: 'etcd',
    check: () => (store.shared ? reachable(store) : store.ready() ? undefined : 'the datastore is not ready'),
  }
  const started: HealthCheck = {
    name: 'poststarthook/start-apiserver',
    check: () => (ready() ? undefined : 'not finished'),
  }
  const synced: HealthCheck = { name: 'informer-sync', check: () => (ready() ? undefined : 'not started yet') }
  const live = [ping, log, datastore, started, ...extra]
  const checks = new Map<string, readonly HealthCheck[]>([
    ['healthz', live],
    // Nothing that a restart would mend: the server goes on by itself once the datastore is back.
    ['livez', [ping, log, ...extra]],
    [
      'readyz',
      [...live, { ...datastore, name: 'etcd-readiness' }, synced, { name: 'shutdown', check: () => undefined }],
    ],
  ])
  return async ({ path, query }) => {
    const [, endpoint = '', ...rest] = path.split('/')
    const list = checks.get(endpoint)
    if (!list) return undefined
    if (rest.length === 0) return await report(endpoint, list, query)
    const single = list.find(check => check.name === rest.join('/'))
    if (!single) return undefined
    const failure = await single.check()
    return failure === undefined ? textResponse(200, 'ok') : textResponse(500, `internal server error: ${failure}\n`)
  }
}

/** Upstream's limit for its question to etcd. */
const reachableMs = 2000

/** A server that does not hear of others' writes is not to be asked. */
async function reachable(store: Store): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<string>(resolve => {
    timer = setTimeout(() => resolve(`the datastore does not answer within ${reachableMs / 1000} s`), reachableMs)
  })
  try {
    return await Promise.race([store.fresh().then(() => undefined), late])
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  } finally {
    clearTimeout(timer)
  }
}

async function report(endpoint: string, list: readonly HealthCheck[], query: URLSearchParams): Promise<ApiResponse> {
  const excluded = new Set(query.getAll('exclude'))
  const lines: string[] = []
  let failed = false
  for (const check of list) {
    if (excluded.delete(check.name)) {
      lines.push(`[+]${check.name} excluded: ok`)
      continue
    }
    const failure = await check.check()
    failed ||= failure !== undefined
    lines.push(failure === undefined ? `[+]${check.name} ok` : `[-]${check.name} failed: reason withheld`)
  }
  if (excluded.size > 0) {
    lines.push(
      `warn: some health checks cannot be excluded: no matches for ${[...excluded].map(name => JSON.stringify(name)).join(',')}`,
    )
  }
  if (failed) return textResponse(500, `${lines.join('\n')}\n${endpoint} check failed\n`)
  return textResponse(200, isTrue(query.get('verbose')) ? `${lines.join('\n')}\n${endpoint} check passed\n` : 'ok')
}
