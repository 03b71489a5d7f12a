/** Answers of other servers, remembered for as long as they allow, negative ones by their SOA (RFC 2308). */
import * as codec from 'dns-packet'

interface Entry {
  readonly answer: Buffer
  readonly storedAt: number
  readonly expiresAt: number
}

const capacity = 10_000

export class AnswerCache {
  readonly #entries = new Map<string, Entry>()
  readonly #maxSeconds: number
  readonly #now: () => number

  constructor(maxSeconds: number, now: () => number) {
    this.#maxSeconds = maxSeconds
    this.#now = now
  }

  /** The answer with the asker's id and the time it has aged taken off its TTLs. */
  get(key: string, id: number): Buffer | undefined {
    const entry = this.#entries.get(key)
    if (!entry) return undefined
    const now = this.#now()
    if (now >= entry.expiresAt) {
      this.#entries.delete(key)
      return undefined
    }
    return aged(entry.answer, id, Math.floor((now - entry.storedAt) / 1000))
  }

  set(key: string, answer: Buffer): void {
    const seconds = Math.min(lifetime(answer), this.#maxSeconds)
    if (seconds <= 0) return
    if (this.#entries.size >= capacity) this.#entries.delete(this.#entries.keys().next().value!)
    const now = this.#now()
    this.#entries.set(key, { answer, storedAt: now, expiresAt: now + seconds * 1000 })
  }
}

/** Seconds an answer may be kept; 0 for failures and truncated ones. */
function lifetime(answer: Buffer): number {
  try {
    const packet = codec.decode(answer)
    const rcode = answer[3]! & 15
    if ((rcode !== 0 && rcode !== 3) || (answer[2]! & 2) !== 0) return 0
    const ttls = (records: readonly codec.Answer[] | undefined) =>
      (records ?? []).flatMap(record => ('ttl' in record && record.ttl !== undefined ? [record.ttl] : []))
    if ((packet.answers ?? []).length > 0) return Math.min(...ttls(packet.answers))
    const soa = packet.authorities?.find((record): record is codec.SoaAnswer => record.type === 'SOA')
    return soa ? Math.min(soa.ttl ?? 0, soa.data.minimum ?? 0) : 0
  } catch {
    return 0
  }
}

function aged(answer: Buffer, id: number, seconds: number): Buffer {
  const packet = codec.decode(answer)
  for (const record of [...(packet.answers ?? []), ...(packet.authorities ?? [])])
    if ('ttl' in record) record.ttl = Math.max(0, (record.ttl ?? 0) - seconds)
  const bytes = codec.encode({ ...packet, id })
  bytes[2] = answer[2]!
  bytes[3] = answer[3]!
  return bytes
}
