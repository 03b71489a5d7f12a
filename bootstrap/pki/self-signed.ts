/** A certificate that vouches for itself, for servers whose clients do not check it. */
import { createPublicKey } from 'node:crypto'
import { issueCertificate, keyPem, newKey } from './certificate.ts'

const year = 365 * 86_400_000

/** PEM, valid for ten years from `now`. The first name is the common name; names and addresses are all alternative names. */
export function selfSigned(names: readonly string[], now: number): { cert: string; key: string } {
  const key = newKey()
  const spec = {
    commonName: names[0] ?? '',
    sans: names,
    usages: ['server'] as const,
    notBefore: now - 3_600_000,
    notAfter: now + 10 * year,
  }
  return { cert: issueCertificate(spec, createPublicKey(key), key), key: keyPem(key) }
}
