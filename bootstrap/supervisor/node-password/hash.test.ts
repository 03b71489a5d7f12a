import { expect, test } from '@jest/globals'
import { hashPassword, isPasswordOf, rememberingHasher } from './hash.ts'

/** Made with Python's hashlib.scrypt. */
const vector =
  '$1:0011223344556677:15:8:1:n33xIswmueReTf2u1iNpqQzmDdVeohAKgJ8U8VUBTMyGPjH8XgwOj4noLY51DTDWrgAW8cleg7DHkZQk5qY8QQ'
const password = 'f00d'.repeat(8)

test("K3s' form", async () => {
  const salt = Buffer.from('0011223344556677', 'hex')
  expect(await hashPassword(password, () => salt)).toBe(vector)
  expect(await isPasswordOf(vector, password)).toBe(true)
  expect(await isPasswordOf(vector, `${password}x`)).toBe(false)
})

test('a remembered password is still the only one', async () => {
  const { hash, verify } = rememberingHasher()
  const answers = [await verify(vector, password), await verify(vector, password), await verify(vector, 'x')]
  expect(answers).toEqual([true, true, false])
  const made = await hash('y')
  expect([await verify(made, 'y'), await verify(made, password)]).toEqual([true, false])
})

test('nodes that come at once all get their answer, wrong hashes among them', async () => {
  const { hash, verify } = rememberingHasher()
  const passwords = Array.from({ length: 7 }, (_, at) => `password-${at}`)
  const broken = verify('nonsense', 'x').catch((error: Error) => error.message)
  const hashes = await Promise.all(passwords.map(one => hash(one)))
  expect(await broken).toContain('not of the form')
  expect(await Promise.all(hashes.map((one, at) => isPasswordOf(one, passwords[at]!)))).toEqual(
    passwords.map(() => true),
  )
})

test.each([
  ['', /not of the form/],
  ['$2:00:15:8:1:AAAA', /hash version 2 does not match/],
  ['$1:00:30:8:1:AAAA', /more work/],
])('%j is refused', async (hash, message) => {
  await expect(isPasswordOf(hash, password)).rejects.toThrow(message)
})
