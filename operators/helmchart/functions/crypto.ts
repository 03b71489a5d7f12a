/** Sprig's hashes, passwords and encryption. */
import { createCipheriv, createDecipheriv, createHash, createHmac, scryptSync } from 'node:crypto'
import { bytesOf, textOf } from '../template/bytes.ts'
import { type FunctionTable, GoError, goFunction } from '../template/functions.ts'
import { bcryptHash } from './bcrypt.ts'
import { decodeBase64 } from './encodings.ts'

const hash = (algorithm: string) =>
  goFunction('string -> string', (text: string) => createHash(algorithm).update(bytesOf(text)).digest('hex'))

export function cryptoFunctions(randomBytes: (count: number) => Uint8Array): FunctionTable {
  const bcrypt = (password: string): string => {
    const bytes = bytesOf(password)
    if (bytes.length > 72) return 'failed to encrypt string with bcrypt: bcrypt: password length exceeds 72 bytes'
    return bcryptHash(bytes, randomBytes(16), 10)
  }
  return {
    sha1sum: hash('sha1'),
    sha256sum: hash('sha256'),
    sha512sum: hash('sha512'),
    adler32sum: goFunction('string -> string', (text: string) => String(adler32(bytesOf(text)))),
    bcrypt: goFunction('string -> string', bcrypt),
    htpasswd: goFunction('string, string -> string', (user: string, password: string) =>
      user.includes(':') ? `invalid username: ${user}` : `${user}:${bcrypt(password)}`,
    ),
    derivePassword: goFunction('uint32, string, string, string, string -> string', derivePassword),
    encryptAES: goFunction('string, string -> string', (password: string, text: string) => {
      if (text === '') return ''
      const iv = randomBytes(16)
      const cipher = createCipheriv('aes-256-cbc', aesKey(password), iv)
      return Buffer.concat([iv, cipher.update(bytesOf(text)), cipher.final()]).toString('base64')
    }),
    decryptAES: goFunction('string, string -> string', decryptAes),
  }
}

function adler32(bytes: Uint8Array): number {
  let [a, b] = [1, 0]
  for (const byte of bytes) {
    a = (a + byte) % 65521
    b = (b + a) % 65521
  }
  return b * 65536 + a
}

function aesKey(password: string): Buffer {
  const key = Buffer.alloc(32)
  key.set(bytesOf(password).subarray(0, 32))
  return key
}

function decryptAes(password: string, text: string): string {
  if (text === '') return ''
  const bytes = decodeBase64(text)
  if (bytes.length < 16)
    throw new GoError(`runtime error: slice bounds out of range [:16] with capacity ${Math.floor(text.length / 4) * 3}`)
  if (bytes.length % 16 !== 0) throw new GoError('crypto/cipher: input not full blocks')
  const cipher = createDecipheriv('aes-256-cbc', aesKey(password), bytes.subarray(0, 16)).setAutoPadding(false)
  const plain = Buffer.concat([cipher.update(bytes.subarray(16)), cipher.final()])
  const padding = plain.at(-1)
  if (padding === undefined) throw new GoError('runtime error: index out of range [-1]')
  const end = plain.length - padding
  if (end < 0) throw new GoError(`runtime error: slice bounds out of range [:${end}]`)
  return textOf(plain.subarray(0, end))
}

/** The templates of the Master Password algorithm: a letter stands for a class of characters. */
const passwordTemplates: { readonly [type: string]: readonly string[] } = {
  maximum: ['anoxxxxxxxxxxxxxxxxx', 'axxxxxxxxxxxxxxxxxno'],
  long: [
    'CvcvnoCvcvCvcv',
    'CvcvCvcvnoCvcv',
    'CvcvCvcvCvcvno',
    'CvccnoCvcvCvcv',
    'CvccCvcvnoCvcv',
    'CvccCvcvCvcvno',
    'CvcvnoCvccCvcv',
    'CvcvCvccnoCvcv',
    'CvcvCvccCvcvno',
    'CvcvnoCvcvCvcc',
    'CvcvCvcvnoCvcc',
    'CvcvCvcvCvccno',
    'CvccnoCvccCvcv',
    'CvccCvccnoCvcv',
    'CvccCvccCvcvno',
    'CvcvnoCvccCvcc',
    'CvcvCvccnoCvcc',
    'CvcvCvccCvccno',
    'CvccnoCvcvCvcc',
    'CvccCvcvnoCvcc',
    'CvccCvcvCvccno',
  ],
  medium: ['CvcnoCvc', 'CvcCvcno'],
  short: ['Cvcn'],
  basic: ['aaanaaan', 'aannaaan', 'aaannaaa'],
  pin: ['nnnn'],
}

const [upperVowels, upperConsonants] = ['AEIOU', 'BCDFGHJKLMNPQRSTVWXYZ']
const [vowels, consonants] = ['aeiou', 'bcdfghjklmnpqrstvwxyz']
const allLetters = `${upperVowels}${vowels}${upperConsonants}${consonants}`
const characterClasses: { readonly [name: string]: string } = {
  V: upperVowels,
  C: upperConsonants,
  v: vowels,
  c: consonants,
  A: upperVowels + upperConsonants,
  a: allLetters,
  n: '0123456789',
  o: "@&%?,=[]_:-+*$#!'^~;()/.",
  x: `${allLetters}0123456789!@#$%^&*()`,
}

function derivePassword(counter: bigint, type: string, password: string, user: string, site: string): string {
  const templates = Object.hasOwn(passwordTemplates, type) ? passwordTemplates[type]! : undefined
  if (!templates) return `cannot find password template ${type}`
  const seed = Buffer.from('com.lyndir.masterpassword')
  const salt = Buffer.concat([seed, sized(user)])
  const options = { N: 32768, r: 8, p: 2, maxmem: 2 ** 27 }
  const key = scryptSync(bytesOf(password), salt, 64, options)
  const count = Buffer.alloc(4)
  count.writeUInt32BE(Number(counter))
  const bytes = createHmac('sha256', key)
    .update(Buffer.concat([seed, sized(site), count]))
    .digest()
  const template = templates[bytes[0]! % templates.length]!
  return Array.from(template, (name, index) => {
    const characters = characterClasses[name]!
    return characters[bytes[index + 1]! % characters.length]
  }).join('')
}

function sized(text: string): Buffer {
  const bytes = bytesOf(text)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}
