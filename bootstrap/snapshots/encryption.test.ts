import { Readable } from 'node:stream'
import { expect, jest, test } from '@jest/globals'
import { readInside, sealed, sealedMagic, unsealed } from './encryption.ts'

jest.setTimeout(120_000)

const inside = { form: 'etcd', compressed: true } as const
const chunk = 64 * 1024 + 16

async function all(source: AsyncIterable<Buffer>): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of source) pieces.push(piece)
  return Buffer.concat(pieces)
}

const source = (bytes: Buffer) => Readable.from(bytes.length === 0 ? [] : [bytes]) as AsyncIterable<Buffer>
const seal = (bytes: Buffer, passphrase = 'secret') => all(sealed(inside, passphrase)(source(bytes)))
const unseal = (bytes: Buffer, passphrase = 'secret') => all(unsealed(source(bytes), passphrase, 'FILE'))
const headBytes = (file: Buffer) => sealedMagic.length + 4 + file.readUInt32BE(sealedMagic.length)

test.each([0, 1, 65_535, 65_536, 65_537, 200_000])('%d bytes come out as they went in', async size => {
  const bytes = Buffer.alloc(size, 'abcdefg')
  const file = await seal(bytes)
  expect((await unseal(file)).equals(bytes)).toBe(true)
  expect(file.includes('abcdefg')).toBe(false)
  expect(await readInside(source(file), 'FILE')).toEqual(inside)
})

test('the same is never encrypted twice in the same way', async () => {
  const bytes = Buffer.alloc(100)
  expect((await seal(bytes)).equals(await seal(bytes))).toBe(false)
})

test('another passphrase is told', async () => {
  const file = await seal(Buffer.from('hello'))
  await expect(unseal(file, 'other')).rejects.toThrow('FILE is encrypted with another passphrase')
})

test('what was cut off, at any place, is found', async () => {
  const file = await seal(Buffer.alloc(200_000, 1))
  const head = headBytes(file)
  for (const length of [
    0,
    5,
    18,
    head - 1,
    head,
    head + 1,
    head + chunk - 1,
    head + chunk,
    head + 3 * chunk,
    file.length - 1,
  ])
    await expect(unseal(file.subarray(0, length))).rejects.toThrow(/^FILE is damaged/)
})

test('chunks that changed places, are doubled, left out or added are found', async () => {
  const file = await seal(Buffer.alloc(200_000, 1))
  const head = headBytes(file)
  const parts = [0, 1, 2, 3].map(i => file.subarray(head + i * chunk, head + (i + 1) * chunk))
  const [a, b, c, d] = parts as [Buffer, Buffer, Buffer, Buffer]
  for (const order of [[b, a, c, d], [a, a, b, c, d], [a, c, d], [a, b, c], [a, b, c, d, d], [d]])
    await expect(unseal(Buffer.concat([file.subarray(0, head), ...order]))).rejects.toThrow('FILE is damaged')
  expect((await unseal(Buffer.concat([file.subarray(0, head), a, b, c, d]))).length).toBe(200_000)
})

test('any changed byte is found', async () => {
  const file = await seal(Buffer.alloc(60, 1))
  // Every try costs a derivation of the key.
  for (let position = 0; position < file.length; position += 9) {
    const damaged = Buffer.from(file)
    damaged[position]! ^= 1
    await expect(unseal(damaged)).rejects.toThrow(/^FILE is (damaged|encrypted with another)/)
  }
})

test('a header that asks for much work or memory is refused', async () => {
  const file = await seal(Buffer.from('hello'))
  const text = file.toString('latin1')
  for (const [from, to] of [
    ['"n":32768', '"n":67108864'],
    ['"n":32768', '"n":32767'],
    ['"r":8', '"r":800'],
    ['"p":1', '"p":-1'],
  ] as const) {
    const json = text.slice(19, headBytes(file)).replace(from, to)
    const length = Buffer.alloc(4)
    length.writeUInt32BE(json.length)
    const damaged = Buffer.concat([sealedMagic, length, Buffer.from(json), file.subarray(headBytes(file))])
    await expect(unseal(damaged)).rejects.toThrow('FILE is damaged: the header of the encryption cannot be read')
  }
})
