/**
 * An encrypted snapshot. What has been left out, added, moved or cut off is found, not only what was changed.
 *
 *     "skiff sealed 1\n"
 *     4 bytes, big-endian: length of the header; the header, JSON:
 *       form, compressed    what is inside
 *       n, r, p, salt       scrypt's: it gives 48 bytes, the key and 16 bytes that tell a wrong passphrase
 *       check               these 16, in hex, as salt and nonce are
 *       nonce               the first 7 bytes of every chunk's
 *     chunks of 64 KiB, the last one shorter or empty, each AES-256-GCM and its tag. The nonce of a chunk is those 7 bytes, its
 *     number (4 bytes) and 1 for the last, 0 for all others. Magic, length and header are authenticated with every chunk.
 */
import { createCipheriv, createDecipheriv, randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { type ByteReader, byteReader } from '../datastore/common/byte-reader.ts'
import { SnapshotError, type SnapshotForm } from './snapshot.ts'

export const sealedMagic = Buffer.from('skiff sealed 1\n')

const chunkBytes = 64 * 1024
const tagBytes = 16
const algorithm = 'aes-256-gcm'
const cost = { n: 32768, r: 8, p: 1 }
/** So that a damaged header costs neither memory nor time. */
const most = { header: 4096, n: 1 << 20, r: 16, p: 4 }

interface Header {
  readonly form: SnapshotForm
  readonly compressed: boolean
  readonly n: number
  readonly r: number
  readonly p: number
  readonly salt: string
  readonly check: string
  readonly nonce: string
}

export interface Inside {
  readonly form: SnapshotForm
  readonly compressed: boolean
}

/** For a pipeline: encrypts what goes through. */
export function sealed(
  inside: Inside,
  passphrase: string,
  random: (bytes: number) => Buffer = randomBytes,
): (source: AsyncIterable<Buffer>) => AsyncGenerator<Buffer> {
  return async function* (source) {
    const [salt, nonce] = [random(16), random(7)]
    const { key, check } = await derive(passphrase, { ...cost, salt: salt.toString('hex') })
    const head = headOf({
      ...inside,
      ...cost,
      salt: salt.toString('hex'),
      check: check.toString('hex'),
      nonce: nonce.toString('hex'),
    })
    yield Buffer.from(head)
    const reader = byteReader(source)
    try {
      let chunk = await reader.read(chunkBytes)
      for (let number = 0; ; number++) {
        const next = await reader.read(chunkBytes)
        const last = next.length === 0
        const cipher = createCipheriv(algorithm, key, nonceOf(nonce, number, last)).setAAD(head)
        yield Buffer.concat([cipher.update(chunk), cipher.final(), cipher.getAuthTag()])
        if (last) return
        chunk = next
      }
    } finally {
      await reader.close()
    }
  }
}

/** What an encrypted snapshot says about itself, unverified. SnapshotError; `name` is the file's. */
export async function readInside(source: AsyncIterable<Buffer>, name: string): Promise<Inside> {
  const reader = byteReader(source)
  try {
    const { form, compressed } = (await readHead(reader, name)).header
    return { form, compressed }
  } finally {
    await reader.close()
  }
}

/** Decrypts. What has come out is right, but only the end says that it is all. SnapshotError. */
export async function* unsealed(
  source: AsyncIterable<Buffer>,
  passphrase: string,
  name: string,
): AsyncGenerator<Buffer> {
  const reader = byteReader(source)
  try {
    const { header, head } = await readHead(reader, name)
    const { key, check } = await derive(passphrase, header)
    if (!timingSafeEqual(check, Buffer.from(header.check, 'hex')))
      throw new SnapshotError(`${name} is encrypted with another passphrase`)
    const nonce = Buffer.from(header.nonce, 'hex')
    let chunk = await reader.read(chunkBytes + tagBytes)
    for (let number = 0; ; number++) {
      const next = await reader.read(chunkBytes + tagBytes)
      const last = next.length === 0
      yield opened(chunk, key, nonceOf(nonce, number, last), head, name)
      if (last) return
      chunk = next
    }
  } finally {
    await reader.close()
  }
}

function opened(chunk: Buffer, key: Buffer, nonce: Buffer, head: Buffer, name: string): Buffer {
  try {
    const decipher = createDecipheriv(algorithm, key, nonce).setAAD(head).setAuthTag(chunk.subarray(-tagBytes))
    return Buffer.concat([decipher.update(chunk.subarray(0, -tagBytes)), decipher.final()])
  } catch {
    throw new SnapshotError(`${name} is damaged or cut off`)
  }
}

function headOf(header: Header): Buffer {
  const text = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(4)
  length.writeUInt32BE(text.length)
  return Buffer.concat([sealedMagic, length, text])
}

async function readHead(reader: ByteReader, name: string): Promise<{ readonly header: Header; readonly head: Buffer }> {
  const start = Buffer.from(await reader.read(sealedMagic.length + 4))
  const length = start.length === sealedMagic.length + 4 ? start.readUInt32BE(sealedMagic.length) : 0
  const text = length > most.header ? Buffer.alloc(0) : Buffer.from(await reader.read(length))
  const header = parsed(text)
  if (!header) throw new SnapshotError(`${name} is damaged: the header of the encryption cannot be read`)
  return { header, head: Buffer.concat([start, text]) }
}

function parsed(text: Buffer): Header | undefined {
  try {
    const header = JSON.parse(text.toString()) as Header
    const { form, compressed, n, r, p, salt, check, nonce } = header
    const numbers = [
      [n, most.n],
      [r, most.r],
      [p, most.p],
    ] as const
    const hex = (value: unknown, bytes: number) =>
      typeof value === 'string' && new RegExp(`^[0-9a-f]{${2 * bytes}}$`).test(value)
    const right =
      ['etcd', 'sqlite', 'dump'].includes(form) &&
      typeof compressed === 'boolean' &&
      numbers.every(([value, limit]) => Number.isInteger(value) && value >= 1 && value <= limit) &&
      (n & (n - 1)) === 0 &&
      n > 1 &&
      hex(salt, 16) &&
      hex(check, 16) &&
      hex(nonce, 7)
    return right ? header : undefined
  } catch {
    return undefined
  }
}

function derive(
  passphrase: string,
  { n, r, p, salt }: Pick<Header, 'n' | 'r' | 'p' | 'salt'>,
): Promise<{ readonly key: Buffer; readonly check: Buffer }> {
  const options = { N: n, r, p, maxmem: 128 * n * r + 1024 * 1024 * (p + 1) }
  return new Promise((resolve, reject) => {
    scrypt(passphrase, Buffer.from(salt, 'hex'), 48, options, (error, derived) => {
      if (error) reject(error)
      else resolve({ key: derived.subarray(0, 32), check: derived.subarray(32) })
    })
  })
}

function nonceOf(prefix: Buffer, number: number, last: boolean): Buffer {
  const nonce = Buffer.alloc(12)
  prefix.copy(nonce)
  nonce.writeUInt32BE(number, 7)
  nonce[11] = last ? 1 : 0
  return nonce
}
