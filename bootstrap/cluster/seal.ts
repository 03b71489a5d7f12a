/** How the cluster's secrets are kept in the datastore: sealed with the server token, in K3s' form (pkg/cluster/encrypt.go). */
import { createCipheriv, createDecipheriv, createHash, pbkdf2, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'

const derive = promisify(pbkdf2)
const iterations = 4096
const keyBytes = 32
const nonceBytes = 12
const tagBytes = 16

export const sealedPrefix = '/bootstrap/'

/** The key in the datastore for what is sealed with `password`. */
export function sealedKey(password: string): string {
  return `${sealedPrefix}${createHash('sha256').update(password).digest('hex').slice(0, 12)}`
}

/** `<salt>:<base64 of nonce, AES-256-GCM and tag>`. */
export async function seal(
  password: string,
  text: Buffer,
  random: (bytes: number) => Buffer = randomBytes,
): Promise<Buffer> {
  const salt = random(8).toString('hex')
  const nonce = random(nonceBytes)
  const cipher = createCipheriv('aes-256-gcm', await derive(password, salt, iterations, keyBytes, 'sha1'), nonce)
  const sealed = Buffer.concat([nonce, cipher.update(text), cipher.final(), cipher.getAuthTag()])
  return Buffer.from(`${salt}:${sealed.toString('base64')}`)
}

/** The inverse of seal. Rejects with an Error when the password is another one or the value is damaged. */
export async function unseal(password: string, value: Buffer): Promise<Buffer> {
  const text = value.toString()
  const colon = text.indexOf(':')
  const sealed = Buffer.from(text.slice(colon + 1), 'base64')
  if (colon < 0 || sealed.length < nonceBytes + tagBytes)
    throw new Error('the bootstrap data in the datastore is not of the form <salt>:<base64>')
  const key = await derive(password, text.slice(0, colon), iterations, keyBytes, 'sha1')
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, nonceBytes))
  decipher.setAuthTag(sealed.subarray(-tagBytes))
  return Buffer.concat([decipher.update(sealed.subarray(nonceBytes, -tagBytes)), decipher.final()])
}
