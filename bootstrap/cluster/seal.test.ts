import { expect, test } from '@jest/globals'
import { parseBundle } from './bundle.ts'
import { seal, sealedKey, unseal } from './seal.ts'

/** Made with Python's hashlib and cryptography, by K3s' recipe. */
const vector =
  '0123456789abcdef:AAECAwQFBgcICQoLc19NGyLEzSLopHplv/JT0+otxMLQIenCKqdcRfUbQEK0FUmksTEDAytMY6hFBlTQTvTiFN+5N/9EKI888gqjhTlOWqZIZpqrd0WgwTYKx+CQxL70qiqdvxP4ZSmCZVF0zw=='
const password = 'correct-horse'

test("K3s' form is read", async () => {
  const text = (await unseal(password, Buffer.from(vector))).toString()
  expect(parseBundle(text)).toEqual({ ServerCA: { Timestamp: '2026-01-02T03:04:05.678901234Z', Content: 'cGVtCg==' } })
})

test('and written', async () => {
  const random = (bytes: number) =>
    bytes === 8 ? Buffer.from('0123456789abcdef', 'hex') : Buffer.from(Array.from({ length: bytes }, (_, at) => at))
  const text = await unseal(password, Buffer.from(vector))
  expect((await seal(password, text, random)).toString()).toBe(vector)
})

test.each([
  [password, '/bootstrap/9dca666eb547'],
  ['', '/bootstrap/e3b0c44298fc'],
])('the key of %j', (text, key) => expect(sealedKey(text)).toBe(key))

test.each([
  ['wrong', vector],
  [password, 'nonsense'],
  [password, 'a:AAAA'],
  [password, vector.replace('AAEC', 'AAED')],
])('with %j %j is refused', async (text, value) => {
  await expect(unseal(text, Buffer.from(value))).rejects.toThrow()
})

test('bundles of old servers say no time', () => {
  expect(parseBundle('{"ServerCA":"cGVtCg=="}')).toEqual({ ServerCA: { Timestamp: '', Content: 'cGVtCg==' } })
  expect(() => parseBundle('x')).toThrow('the bootstrap data is no JSON')
})
