/** Counts of requests under upstream's metric names, and the endpoint that shows them with everyone else's. */
import { Counter, Histogram, Metrics, reading } from '../../metrics.ts'
import type { ApiResponse } from './message.ts'
import { textResponse } from './message.ts'
import type { RequestInfo } from './requestinfo.ts'

const buckets = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60]

export class RequestMetrics {
  /** Where other parts of the process add theirs. */
  readonly all = new Metrics()
  readonly #requests = new Counter(
    'apiserver_request_total',
    'Counter of apiserver requests broken out for each verb, group, version, resource, scope and code.',
  )
  readonly #durations = new Histogram(
    'apiserver_request_duration_seconds',
    'Response latency distribution in seconds.',
    buckets,
  )
  #longRunning = 0

  constructor() {
    const help = 'Number of open watches and streams.'
    const longRunning = reading('gauge', 'apiserver_longrunning_requests', help, () => [['', this.#longRunning]])
    this.all.register(this.#requests, this.#durations, longRunning)
  }

  observe(info: RequestInfo, method: string, code: number, ms: number): void {
    const labels = labelsOf(info, method)
    this.#requests.add(`${labels},code="${code}"`)
    if (info.verb !== 'watch') this.#durations.observe(labels, ms / 1000)
  }

  /** Counts a stream while it is open; call the result when it ends. */
  opened(): () => void {
    this.#longRunning++
    return () => {
      this.#longRunning--
    }
  }

  response(): ApiResponse {
    const headers = { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }
    return { ...textResponse(200, this.all.text()), headers }
  }
}

function labelsOf(info: RequestInfo, method: string): string {
  const verb = info.isResource ? info.verb.toUpperCase() : method
  const scope = !info.isResource ? '' : info.name !== '' ? 'resource' : info.namespace !== '' ? 'namespace' : 'cluster'
  const { group, version, resource, subresource } = info
  return `verb="${verb}",group="${group}",version="${version}",resource="${resource}",subresource="${subresource}",scope="${scope}"`
}
