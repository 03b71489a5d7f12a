/** Certificates out of Secrets, checked before anything gets to see them. */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import type { Secret } from '../../../bootstrap/client/resources.ts'
import type { Certificate, Problem } from './model.ts'

/** The message is one line for the user. */
export class BadCertificate extends Error {}

const known = new WeakMap<Secret, Certificate | BadCertificate>()

/** Reads tls.crt and tls.key. Throws BadCertificate when they are missing or do not belong together. */
export function certificateOf(secret: Secret): Certificate {
  let result = known.get(secret)
  if (!result) known.set(secret, (result = read(secret)))
  if (result instanceof BadCertificate) throw result
  return result
}

/** Of the Secret that routes name; none, and a problem of its owner, when it cannot be used. */
export function certificatesFrom(
  owner: Problem['owner'],
  secretName: string,
  {
    secret,
    report,
  }: {
    readonly secret: (namespace: string, name: string) => Secret | undefined
    readonly report: (problem: Problem) => void
  },
): Certificate[] {
  const { namespace = '' } = owner.metadata
  const unusable = (reason: string, why: string): Certificate[] => {
    report({ owner, reason, message: `${why}; the default certificate is used` })
    return []
  }
  const found = secret(namespace, secretName)
  if (!found) return unusable('SecretNotFound', `secret ${namespace}/${secretName} does not exist`)
  try {
    return [certificateOf(found)]
  } catch (error) {
    if (!(error instanceof BadCertificate)) throw error
    return unusable('InvalidCertificate', error.message)
  }
}

function read(secret: Secret): Certificate | BadCertificate {
  const name = `${secret.metadata.namespace}/${secret.metadata.name}`
  const part = (key: string) =>
    Buffer.from(secret.data?.[key] ?? '', 'base64')
      .toString()
      .trim()
  const [chain, key] = [part('tls.crt'), part('tls.key')]
  const missing = [chain === '' ? 'tls.crt' : '', key === '' ? 'tls.key' : ''].filter(Boolean)
  if (missing.length > 0) return new BadCertificate(`secret ${name} has no ${missing.join(' and no ')}`)
  try {
    const certificate = new X509Certificate(chain)
    if (!certificate.checkPrivateKey(createPrivateKey(key)))
      return new BadCertificate(`secret ${name}: the key does not belong to the certificate`)
    return { name, pem: `${chain}\n${key}\n`, hosts: hostsOf(certificate) }
  } catch (error) {
    return new BadCertificate(`secret ${name}: ${(error as Error).message}`)
  }
}

/** Alternative names, else the common name, as browsers of old took it. */
export function hostsOf({ subjectAltName, subject }: X509Certificate): string[] {
  const names = [...(subjectAltName ?? '').matchAll(/DNS:([^,\s]+)/g)].map(match => match[1]!.toLowerCase())
  if (names.length > 0) return names
  const common = /^CN=(.+)$/m.exec(subject)?.[1]?.trim()
  return common ? [common.toLowerCase()] : []
}
