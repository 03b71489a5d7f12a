/** Node passwords as they are stored: K3s' own form, so that Secrets of an existing cluster keep their meaning. */
import { createHash, randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'

const derive = promisify<string, Buffer, number, ScryptOptions, Buffer>(scrypt)

const version = '1'
const cost = { log2N: 15, r: 8, p: 1, bytes: 64, saltBytes: 8 }
/** A stored hash may not make the server work harder than this. */
const heaviest = { log2N: 20, r: 32, p: 16 }

/** `$1:<salt in hex>:15:8:1:<scrypt in base64 without padding>` (k3s-io/k3s pkg/authenticator/hash). */
export async function hashPassword(password: string, random: (bytes: number) => Buffer = randomBytes): Promise<string> {
  const salt = random(cost.saltBytes)
  const key = await scryptOf(password, salt, cost.log2N, cost.r, cost.p, cost.bytes)
  return `$${version}:${salt.toString('hex')}:${cost.log2N}:${cost.r}:${cost.p}:${unpadded(key)}`
}

/** Whether `hash` is one of `password`. Throws an Error in one line for what is no hash of this form. */
export async function isPasswordOf(hash: string, password: string): Promise<boolean> {
  const match = /^\$(\d+):([0-9a-f]+):(\d+):(\d+):(\d+):([A-Za-z0-9+/]+)$/.exec(hash)
  if (!match) throw new Error('the stored hash is not of the form $1:<salt>:<N>:<r>:<p>:<hash>')
  const [, found, salt = '', log2N, r, p, encoded = ''] = match
  if (found !== version) throw new Error(`hash version ${found} does not match package version ${version}`)
  const wanted = Buffer.from(encoded, 'base64')
  const numbers = { log2N: Number(log2N), r: Number(r), p: Number(p) }
  if (numbers.log2N > heaviest.log2N || numbers.r > heaviest.r || numbers.p > heaviest.p)
    throw new Error('the stored hash asks for more work than any of ours')
  const actual = await scryptOf(password, Buffer.from(salt, 'hex'), numbers.log2N, numbers.r, numbers.p, wanted.length)
  return timingSafeEqual(actual, wanted)
}

function scryptOf(password: string, salt: Buffer, log2N: number, r: number, p: number, bytes: number): Promise<Buffer> {
  const N = 2 ** log2N
  return derive(password, salt, bytes, { N, r, p, maxmem: 256 * N * r })
}

const unpadded = (key: Buffer): string => key.toString('base64').replace(/=+$/, '')

const remembered = 1024

export interface Hasher {
  hash(password: string): Promise<string>
  /** Rejects as isPasswordOf does. */
  verify(hash: string, password: string): Promise<boolean>
}

/** Of the four threads that files are read on, too; each hash takes 32 MB meanwhile. */
const atOnce = 2

/**
 * Does the work once for a hash and its password: a node asks for two certificates in a row. Many nodes that come at once
 * are hashed two at a time.
 */
export function rememberingHasher(): Hasher {
  const inTurns = turns(atOnce)
  const known = new Set<string>()
  const keyOf = (hash: string, password: string) => createHash('sha256').update(`${hash}\0${password}`).digest('base64')
  const remember = (hash: string, password: string) => {
    if (known.size >= remembered) known.delete(known.values().next().value!)
    known.add(keyOf(hash, password))
  }
  return {
    async hash(password) {
      const hash = await inTurns(() => hashPassword(password))
      remember(hash, password)
      return hash
    },
    async verify(hash, password) {
      if (known.has(keyOf(hash, password))) return true
      if (!(await inTurns(() => isPasswordOf(hash, password)))) return false
      remember(hash, password)
      return true
    },
  }
}

/** Runs so many at once; the rest waits in the order it came. */
function turns(limit: number): <T>(work: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = []
  let running = 0
  return async work => {
    if (running === limit) await new Promise<void>(resolve => waiting.push(resolve))
    else running++
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next) next()
      else running--
    }
  }
}
