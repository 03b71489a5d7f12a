/** bcrypt, version 2a, by the paper of Provos and Mazières. Blowfish's tables are the digits of pi, computed on first use. */

const alphabet = './ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
const rounds = 16
const magic = 'OrpheanBeholderScryDoubt'

let initial: { readonly p: Uint32Array; readonly s: Uint32Array } | undefined

/** The first words of pi's fraction, by Machin's formula. */
function wordsOfPi(count: number): Uint32Array {
  const guard = 64n
  const scale = 1n << (BigInt(count) * 32n + guard)
  const inverseTangent = (x: bigint): bigint => {
    let term = scale / x
    let sum = term
    for (let n = 3n, sign = -1n; term > 0n; n += 2n, sign = -sign) {
      term /= x * x
      sum += sign * (term / n)
    }
    return sum
  }
  const pi = 4n * (4n * inverseTangent(5n) - inverseTangent(239n))
  const hex = ((pi - 3n * scale) >> guard).toString(16).padStart(count * 8, '0')
  return Uint32Array.from({ length: count }, (_, index) => Number.parseInt(hex.slice(index * 8, index * 8 + 8), 16))
}

function tables(): { p: Uint32Array; s: Uint32Array } {
  if (!initial) {
    const words = wordsOfPi(rounds + 2 + 1024)
    initial = { p: words.slice(0, rounds + 2), s: words.slice(rounds + 2) }
  }
  return { p: initial.p.slice(), s: initial.s.slice() }
}

class Blowfish {
  readonly #p: Uint32Array
  readonly #s: Uint32Array
  left = 0
  right = 0

  constructor() {
    const { p, s } = tables()
    this.#p = p
    this.#s = s
  }

  encrypt(): void {
    const [p, s] = [this.#p, this.#s]
    let left = this.left
    let right = this.right
    for (let round = 0; round < rounds; round += 2) {
      left ^= p[round]!
      right ^= mix(s, left)
      right ^= p[round + 1]!
      left ^= mix(s, right)
    }
    this.left = (right ^ p[rounds + 1]!) >>> 0
    this.right = (left ^ p[rounds]!) >>> 0
  }

  /** Mixes a key, and a salt when there is one, into the tables. */
  expand(key: Uint8Array, salt?: Uint8Array): void {
    const nextKey = words(key)
    for (let index = 0; index < this.#p.length; index++) this.#p[index]! ^= nextKey()
    const nextSalt = salt ? words(salt) : () => 0
    this.left = 0
    this.right = 0
    for (const table of [this.#p, this.#s])
      for (let index = 0; index < table.length; index += 2) {
        this.left ^= nextSalt()
        this.right ^= nextSalt()
        this.encrypt()
        table[index] = this.left
        table[index + 1] = this.right
      }
  }
}

function mix(s: Uint32Array, value: number): number {
  const sum = (s[value >>> 24]! + s[256 + ((value >>> 16) & 255)]!) | 0
  return ((sum ^ s[512 + ((value >>> 8) & 255)]!) + s[768 + (value & 255)]!) | 0
}

/** Reads bytes over and over as big-endian words. */
function words(bytes: Uint8Array): () => number {
  let at = 0
  return () => {
    let word = 0
    for (let index = 0; index < 4; index++) {
      word = (word << 8) | bytes[at]!
      at = (at + 1) % bytes.length
    }
    return word
  }
}

/** "$2a$10$..." of a password of at most 72 bytes. */
export function bcryptHash(password: Uint8Array, salt: Uint8Array, cost: number): string {
  const key = Buffer.concat([password, Uint8Array.of(0)])
  const cipher = new Blowfish()
  cipher.expand(key, salt)
  for (let round = 0; round < 2 ** cost; round++) {
    cipher.expand(key)
    cipher.expand(salt)
  }
  const text = Buffer.from(magic)
  for (let block = 0; block < text.length; block += 8) {
    cipher.left = text.readUInt32BE(block)
    cipher.right = text.readUInt32BE(block + 4)
    for (let round = 0; round < 64; round++) cipher.encrypt()
    text.writeUInt32BE(cipher.left, block)
    text.writeUInt32BE(cipher.right, block + 4)
  }
  return `$2a$${String(cost).padStart(2, '0')}$${encode(salt)}${encode(text.subarray(0, 23))}`
}

/** Base64 with an alphabet of its own and no padding. */
function encode(bytes: Uint8Array): string {
  const standard = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
  return Array.from(
    Buffer.from(bytes).toString('base64').replaceAll('=', ''),
    char => alphabet[standard.indexOf(char)],
  ).join('')
}
