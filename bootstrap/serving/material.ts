/**
 * The certificate of port 6443 as all servers share it: a Secret in K3s' (dynamiclistener's) form, one annotation per name
 * and one for the fingerprint.
 */
import { createHash, createPublicKey, type KeyObject, type X509Certificate } from 'node:crypto'
import { allows, canonicalAddress, certificatesOf, keyPem, newKey, privateKeysOf, sansOf } from '../pki/certificate.ts'
import type { KeyPair, Pki } from '../pki/pki.ts'

export const secretName = { name: 'k3s-serving', namespace: 'kube-system' }

/** PEM, and the names the certificate is good for. */
export interface Material {
  readonly cert: string
  readonly key: string
  readonly names: ReadonlySet<string>
}

export interface Issuer {
  readonly ca: KeyPair
  readonly issue: Pki['issue']
}

/** The parts of a Secret that matter here. */
export interface ServingSecret {
  readonly apiVersion: 'v1'
  readonly kind: 'Secret'
  readonly type?: string
  readonly metadata: {
    readonly name?: string
    readonly namespace?: string
    readonly resourceVersion?: string
    readonly annotations?: { readonly [key: string]: string }
  }
  readonly data?: { readonly [key: string]: string }
}

const day = 86_400_000
const renewBelowDays = 120
const domain = 'listener.cattle.io/'
const longestKey = 64
const keptOfLong = 56

/** A certificate for these names, with the key given or a new one. */
export function issued({ issue }: Issuer, names: Iterable<string>, key: KeyObject = newKey()): Material {
  const sans = [...names]
  const publicKey = createPublicKey(key)
  const cert = issue({ ca: 'serverCa', commonName: 'k3s', organizations: ['k3s'], sans, usages: ['server'], publicKey })
  return { cert, key: keyPem(key), names: new Set(sans) }
}

/** What a Secret holds, if it can be used: by this CA, with its key, good for 120 days more. */
export function materialOf(secret: ServingSecret, { ca }: Issuer, now: number): Material | undefined {
  const text = (field: string) => Buffer.from(secret.data?.[field] ?? '', 'base64').toString()
  const [cert, key] = [text('tls.crt'), text('tls.key')]
  return isGood(cert, key, ca, now) ? { cert, key, names: namesOf(certificatesOf(cert)[0]!) } : undefined
}

/** The Secret for it; `old` lends its metadata. */
export function secretOf({ cert, key, names }: Material, old?: ServingSecret): ServingSecret {
  const base64 = (text: string) => Buffer.from(text).toString('base64')
  const others = Object.entries(old?.metadata.annotations ?? {}).filter(([name]) => !name.startsWith(domain))
  const own = Array.from(names, name => [annotationOf(name), name] as const)
  const annotations = { ...Object.fromEntries([...others, ...own]), [`${domain}fingerprint`]: fingerprint(cert) }
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'kubernetes.io/tls',
    metadata: { ...(old?.metadata ?? secretName), annotations },
    data: { 'tls.crt': base64(cert), 'tls.key': base64(key) },
  }
}

/** A name as certificates have it; undefined for what is none: too long, an empty label, a wildcard. */
export function nameIn(text: string): string | undefined {
  const name = canonicalAddress(
    text
      .toLowerCase()
      .replace(/\.$/, '')
      .replace(/^::ffff:(?=\d+\.)/, ''),
  )
  if (name.includes(':')) return name
  return name.length <= 253 &&
    /^[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?(\.[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?)*$/.test(name)
    ? name
    : undefined
}

/** Keys of annotations have 63 characters and no colons: others are cut and told apart by a hash. */
function annotationOf(name: string): string {
  const key = `${domain}cn-${name}`
  if (key.length < longestKey && !key.includes(':')) return key
  const hash = createHash('sha256').update(key).digest('hex').slice(0, 6)
  return `${key.replaceAll(':', '_').slice(0, keptOfLong)}-${hash}`
}

function fingerprint(cert: string): string {
  const [leaf] = certificatesOf(cert)
  return `SHA1=${createHash('sha1').update(leaf!.raw).digest('hex').toUpperCase()}`
}

const namesOf = (leaf: X509Certificate) => new Set(sansOf(leaf).map(canonicalAddress))

function isGood(cert: string, key: string, ca: KeyPair, now: number): boolean {
  try {
    const [leaf, ...chain] = certificatesOf(cert)
    const [issuer, ...more] = certificatesOf(ca.cert)
    const [privateKey] = privateKeysOf(key)
    return (
      leaf !== undefined &&
      issuer !== undefined &&
      privateKey !== undefined &&
      leaf.validToDate.getTime() - now >= renewBelowDays * day &&
      leaf.checkPrivateKey(privateKey) &&
      leaf.checkIssued(issuer) &&
      leaf.verify(issuer.publicKey) &&
      allows(leaf, 'server') &&
      chain.join() === [issuer, ...more].join()
    )
  } catch {
    return false
  }
}
