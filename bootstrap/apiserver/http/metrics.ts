/** Counts of requests under upstream's metric names, kept as plain numbers and rendered when scraped. */
import type { ApiResponse } from './message.ts'
import { textResponse } from './message.ts'
import type { RequestInfo } from './requestinfo.ts'

const buckets = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60]

interface Histogram {
  readonly counts: number[]
  sum: number
  total: number
}

export class RequestMetrics {
  readonly #requests = new Map<string, number>()
  readonly #durations = new Map<string, Histogram>()
  #longRunning = 0

  observe(info: RequestInfo, method: string, code: number, ms: number): void {
    const labels = labelsOf(info, method)
    const key = `${labels},code="${code}"`
    this.#requests.set(key, (this.#requests.get(key) ?? 0) + 1)
    if (info.verb !== 'watch') this.#time(labels, ms / 1000)
  }

  /** Counts a stream while it is open; call the result when it ends. */
  opened(): () => void {
    this.#longRunning++
    return () => {
      this.#longRunning--
    }
  }

  #time(labels: string, seconds: number): void {
    let histogram = this.#durations.get(labels)
    if (!histogram) this.#durations.set(labels, (histogram = { counts: buckets.map(() => 0), sum: 0, total: 0 }))
    const bucket = buckets.findIndex(limit => seconds <= limit)
    if (bucket >= 0) histogram.counts[bucket]!++
    histogram.sum += seconds
    histogram.total++
  }

  /** Everything in the text format, followed by what other parts registered with prom-client. */
  async response(): Promise<ApiResponse> {
    const { register } = await import('prom-client')
    const body = [...this.#lines(), await register.metrics()].join('\n')
    return { ...textResponse(200, body), headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' } }
  }

  *#lines(): Generator<string> {
    yield '# HELP apiserver_request_total Counter of apiserver requests broken out for each verb, group, version, resource, scope and code.'
    yield '# TYPE apiserver_request_total counter'
    for (const [labels, count] of this.#requests) yield `apiserver_request_total{${labels}} ${count}`
    yield '# HELP apiserver_request_duration_seconds Response latency distribution in seconds.'
    yield '# TYPE apiserver_request_duration_seconds histogram'
    for (const [labels, histogram] of this.#durations) {
      let sum = 0
      for (const [index, limit] of buckets.entries()) {
        sum += histogram.counts[index]!
        yield `apiserver_request_duration_seconds_bucket{${labels},le="${limit}"} ${sum}`
      }
      yield `apiserver_request_duration_seconds_bucket{${labels},le="+Inf"} ${histogram.total}`
      yield `apiserver_request_duration_seconds_sum{${labels}} ${histogram.sum}`
      yield `apiserver_request_duration_seconds_count{${labels}} ${histogram.total}`
    }
    yield '# HELP apiserver_longrunning_requests Number of open watches and streams.'
    yield '# TYPE apiserver_longrunning_requests gauge'
    yield `apiserver_longrunning_requests ${this.#longRunning}`
  }
}

function labelsOf(info: RequestInfo, method: string): string {
  const verb = info.isResource ? info.verb.toUpperCase() : method
  const scope = !info.isResource ? '' : info.name !== '' ? 'resource' : info.namespace !== '' ? 'namespace' : 'cluster'
  const { group, version, resource, subresource } = info
  return `verb="${verb}",group="${group}",version="${version}",resource="${resource}",subresource="${subresource}",scope="${scope}"`
}
