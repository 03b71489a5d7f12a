/** Metrics under CoreDNS' names. */
import { Counter, Histogram, labelText, Metrics, reading } from '../../bootstrap/metrics.ts'
import { gitVersion } from '../../bootstrap/version.ts'
import type { CoreMetrics } from './plugins/plugin.ts'
import { rcodeName, typeName } from './wire/constants.ts'

const timeBuckets = Array.from({ length: 16 }, (_, index) => 0.00025 * 2 ** index)
const sizeBuckets = [0, 100, 200, 300, 400, 511, 1023, 2047, 4095, 8291, 16e3, 32e3, 48e3, 64e3]

/** Types that are told apart; all others are "other", so that nobody can make series by asking nonsense. */
const monitored = new Set([
  'A',
  'AAAA',
  'AXFR',
  'CNAME',
  'DNSKEY',
  'DS',
  'HTTPS',
  'IXFR',
  'MX',
  'NS',
  'NSEC',
  'NSEC3',
  'PTR',
  'RRSIG',
  'SOA',
  'SRV',
  'SVCB',
  'TXT',
  'ANY',
])

export class DnsMetrics implements CoreMetrics {
  readonly registry = new Metrics()
  readonly #counters = new Map<string, Counter>()
  readonly #histograms = new Map<string, Histogram>()
  readonly #gauges = new Map<string, Map<string, number>>()
  readonly requests = this.#counter(
    'coredns_dns_requests_total',
    'Counter of DNS requests made per zone, protocol and family.',
  )
  readonly responses = this.#counter('coredns_dns_responses_total', 'Counter of response status codes.')
  readonly dnssecOk = this.#counter(
    'coredns_dns_do_requests_total',
    'Counter of DNS requests with DO bit set per zone.',
  )
  readonly duration = this.#histogram(
    'coredns_dns_request_duration_seconds',
    'Histogram of the time (in seconds) each request took per zone.',
    timeBuckets,
  )
  readonly requestSize = this.#histogram(
    'coredns_dns_request_size_bytes',
    'Size of the EDNS0 UDP buffer in bytes (64K for TCP) per zone and protocol.',
    sizeBuckets,
  )
  readonly responseSize = this.#histogram(
    'coredns_dns_response_size_bytes',
    'Size of the returned response in bytes.',
    sizeBuckets,
  )

  constructor() {
    this.gauge(
      'coredns_build_info',
      "A metric with a constant '1' value labeled by version, revision, and goversion from which CoreDNS was built.",
      labelText({ goversion: `node ${process.versions.node}`, revision: 'skiff', version: gitVersion }),
      1,
    )
    this.count('coredns_panics_total', 'A metrics that counts the number of panics.', '', 0)
  }

  count(name: string, help: string, labels: string, by = 1): void {
    this.#counter(name, help).add(labels, by)
  }

  observe(name: string, help: string, labels: string, value: number): void {
    this.#histogram(name, help, timeBuckets).observe(labels, value)
  }

  gauge(name: string, help: string, labels: string, value: number): void {
    let values = this.#gauges.get(name)
    if (!values) {
      values = new Map()
      this.#gauges.set(name, values)
      const series = values
      this.registry.register(reading('gauge', name, help, () => series))
    }
    values.set(labels, value)
  }

  /** Forgets the series of a gauge. */
  clear(name: string): void {
    this.#gauges.get(name)?.clear()
  }

  #counter(name: string, help: string): Counter {
    let counter = this.#counters.get(name)
    if (!counter) {
      counter = new Counter(name, help)
      this.#counters.set(name, counter)
      this.registry.register(counter)
    }
    return counter
  }

  #histogram(name: string, help: string, buckets: readonly number[]): Histogram {
    let histogram = this.#histograms.get(name)
    if (!histogram) {
      histogram = new Histogram(name, help, buckets)
      this.#histograms.set(name, histogram)
      this.registry.register(histogram)
    }
    return histogram
  }
}

/** The labels of one sort of exchange, made once and used for each. */
export interface ExchangeLabels {
  readonly request: string
  readonly response: string
  readonly zone: string
  readonly proto: string
}

export function exchangeLabels(of: {
  server: string
  zone: string
  transport: string
  family: 1 | 2
  type: number
  rcode: number
  plugin: string
}): ExchangeLabels {
  const base = { server: of.server, zone: of.zone, view: '' }
  const type = typeName(of.type)
  return {
    request: labelText({
      ...base,
      proto: of.transport,
      family: String(of.family),
      type: monitored.has(type) ? type : 'other',
    }),
    response: labelText({ ...base, rcode: rcodeName(of.rcode), plugin: of.plugin }),
    zone: labelText(base),
    proto: labelText({ ...base, proto: of.transport }),
  }
}
