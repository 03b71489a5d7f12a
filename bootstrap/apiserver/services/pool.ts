/** Numbers handed out from a range, each with its owner. The lower band is left to those who ask for one number. */

export class Pool {
  readonly #first: number
  readonly #size: number
  readonly #band: number
  readonly #owners = new Map<number, string>()
  readonly #random: () => number

  /** `band` is how many of the lowest numbers dynamic allocation takes last. */
  constructor(first: number, size: number, band: number, random: () => number) {
    this.#first = first
    this.#size = size
    this.#band = Math.min(band, size)
    this.#random = random
  }

  /** Whether the number was free, or this owner's already. */
  take(number: number, owner: string): boolean {
    const current = this.#owners.get(number)
    if (current !== undefined && current !== owner) return false
    this.#owners.set(number, owner)
    return true
  }

  /** A free number, or undefined when there is none. */
  next(owner: string): number | undefined {
    const found = this.#search(this.#band, this.#size) ?? this.#search(0, this.#band)
    if (found !== undefined) this.#owners.set(found, owner)
    return found
  }

  release(number: number, owner: string): void {
    if (this.#owners.get(number) === owner) this.#owners.delete(number)
  }

  clear(): void {
    this.#owners.clear()
  }

  ownerOf(number: number): string | undefined {
    return this.#owners.get(number)
  }

  /** The first free number from a random one on, around the band [from, to). */
  #search(from: number, to: number): number | undefined {
    const width = to - from
    const start = Math.floor(this.#random() * width)
    for (let step = 0; step < width; step++) {
      const number = this.#first + from + ((start + step) % width)
      if (!this.#owners.has(number)) return number
    }
    return undefined
  }
}

/** Upstream's size of the lower band: a share of the range, within limits. */
export function bandOf(size: number, share: number, least: number, most: number): number {
  return size <= least ? 0 : Math.min(Math.max(least, Math.floor(size / share)), most)
}
