/** Metrics as plain numbers, written in Prometheus' text format when somebody scrapes them. */

export interface Metric {
  /** Lines of the text format, without line ends. */
  lines(): Iterable<string>
}

/** `name="value",...` with values escaped: how series of one metric are told apart. */
export function labelText(labels: { readonly [name: string]: string }): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${value.replace(/[\\"\n]/g, found => (found === '\n' ? '\\n' : `\\${found}`))}"`)
    .join(',')
}

const series = (name: string, labels: string) => (labels === '' ? name : `${name}{${labels}}`)

function* head(name: string, help: string, type: string): Generator<string> {
  yield `# HELP ${name} ${help}`
  yield `# TYPE ${name} ${type}`
}

/** Grows by events. Labels are given as text (see labelText). */
export class Counter implements Metric {
  readonly #name: string
  readonly #help: string
  readonly #values = new Map<string, number>()

  constructor(name: string, help: string) {
    this.#name = name
    this.#help = help
  }

  add(labels: string, by = 1): void {
    this.#values.set(labels, (this.#values.get(labels) ?? 0) + by)
  }

  *lines(): Generator<string> {
    yield* head(this.#name, this.#help, 'counter')
    for (const [labels, value] of this.#values) yield `${series(this.#name, labels)} ${value}`
  }
}

/** Values that are known elsewhere: `read` gives them, with their labels as text, at every scrape. */
export function reading(
  type: 'counter' | 'gauge',
  name: string,
  help: string,
  read: () => Iterable<readonly [labels: string, value: number]>,
): Metric {
  return {
    *lines() {
      yield* head(name, help, type)
      for (const [labels, value] of read()) yield `${series(name, labels)} ${value}`
    },
  }
}

interface Observations {
  readonly counts: number[]
  sum: number
  total: number
}

/** How values are distributed over buckets, given by their upper limits in rising order. */
export class Histogram implements Metric {
  readonly #name: string
  readonly #help: string
  readonly #buckets: readonly number[]
  readonly #observed = new Map<string, Observations>()

  constructor(name: string, help: string, buckets: readonly number[]) {
    this.#name = name
    this.#help = help
    this.#buckets = buckets
  }

  observe(labels: string, value: number): void {
    let observed = this.#observed.get(labels)
    if (!observed) {
      observed = { counts: this.#buckets.map(() => 0), sum: 0, total: 0 }
      this.#observed.set(labels, observed)
    }
    const bucket = this.#buckets.findIndex(limit => value <= limit)
    if (bucket >= 0) observed.counts[bucket]!++
    observed.sum += value
    observed.total++
  }

  *lines(): Generator<string> {
    yield* head(this.#name, this.#help, 'histogram')
    for (const [labels, { counts, sum, total }] of this.#observed) {
      const prefix = labels === '' ? '' : `${labels},`
      let below = 0
      for (const [index, limit] of this.#buckets.entries()) {
        below += counts[index]!
        yield `${this.#name}_bucket{${prefix}le="${limit}"} ${below}`
      }
      yield `${this.#name}_bucket{${prefix}le="+Inf"} ${total}`
      yield `${series(`${this.#name}_sum`, labels)} ${sum}`
      yield `${series(`${this.#name}_count`, labels)} ${total}`
    }
  }
}

/** What one endpoint shows. */
export class Metrics {
  readonly #metrics: Metric[] = []

  register(...metrics: readonly Metric[]): void {
    this.#metrics.push(...metrics)
  }

  /** Everything in the text format. */
  text(): string {
    return this.#metrics.flatMap(metric => Array.from(metric.lines(), line => `${line}\n`)).join('')
  }
}
