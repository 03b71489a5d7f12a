/** X.509 certificates (RFC 5280): issuing them, and reading the parts Kubernetes looks at. */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from 'node:crypto'
import { isIP } from 'node:net'
import { der, type Element, elements, inside, oidText } from './der.ts'

export type Usage = 'client' | 'server'

/** What a certificate says. Addresses among `sans` become IP entries, the rest DNS names. */
export interface CertificateSpec {
  readonly commonName: string
  readonly organizations?: readonly string[]
  readonly sans?: readonly string[]
  readonly usages?: readonly Usage[]
  readonly isCa?: boolean
  /** Epoch milliseconds. */
  readonly notBefore: number
  readonly notAfter: number
}

export interface Issuer {
  readonly certificate: X509Certificate
  readonly key: KeyObject
}

export const oids = {
  commonName: '2.5.4.3',
  organization: '2.5.4.10',
  subjectKeyId: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyId: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  extensionRequest: '1.2.840.113549.1.9.14',
}
const usageOid: Record<Usage, string> = { server: '1.3.6.1.5.5.7.3.1', client: '1.3.6.1.5.5.7.3.2' }

/** A fresh EC P-256 key. */
export function newKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
}

/** PEM as Go's tools write it: SEC 1 for EC keys, PKCS #1 for RSA, PKCS #8 for the rest. */
export function keyPem(key: KeyObject): string {
  const type = key.asymmetricKeyType === 'ec' ? 'sec1' : key.asymmetricKeyType === 'rsa' ? 'pkcs1' : 'pkcs8'
  return key.export({ type, format: 'pem' }).toString()
}

/** Issues a certificate for `publicKey`; without an issuer it is self-signed by `selfKey`. Returns PEM. */
export function issueCertificate(spec: CertificateSpec, publicKey: KeyObject, issuer: Issuer | KeyObject): string {
  const issued = 'certificate' in issuer
  const signer = issued ? issuer.key : issuer
  const subject = nameOf(spec)
  const algorithm = algorithmOf(signer)
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  const keyId = keyIdOf(spki)
  const authority = issued
    ? (extension(issuer.certificate, oids.subjectKeyId)?.subarray(2) ?? keyIdOfKey(issuer))
    : keyId
  const serial = randomBytes(16)
  serial[0] = (serial[0]! & 0x7f) | 0x40
  const tbs = der.sequence(
    der.context(0, true, der.integer(Buffer.from([2]))),
    der.integer(serial),
    algorithm,
    issued ? tbsOf(issuer.certificate).subject.raw : subject,
    der.sequence(der.time(spec.notBefore), der.time(spec.notAfter)),
    subject,
    spki,
    der.context(3, true, der.sequence(...extensionsOf(spec, keyId, authority))),
  )
  const signature = sign(signer.asymmetricKeyType === 'ed25519' ? null : 'sha256', tbs, signer)
  return pem('CERTIFICATE', der.sequence(tbs, algorithm, der.bits(signature)))
}

function nameOf(spec: CertificateSpec): Buffer {
  const attribute = (oid: string, value: string) => der.set(der.sequence(der.oid(oid), der.utf8(value)))
  return der.sequence(
    ...(spec.organizations ?? []).map(organization => attribute(oids.organization, organization)),
    attribute(oids.commonName, spec.commonName),
  )
}

/** The AlgorithmIdentifier of signatures by a key. */
export function algorithmOf(key: KeyObject): Buffer {
  switch (key.asymmetricKeyType) {
    case 'ec':
      return der.sequence(der.oid('1.2.840.10045.4.3.2'))
    case 'rsa':
      return der.sequence(der.oid('1.2.840.113549.1.1.11'), Buffer.from([5, 0]))
    case 'ed25519':
      return der.sequence(der.oid('1.3.101.112'))
    default:
      throw new Error(`cannot sign certificates with a ${key.asymmetricKeyType} key: use EC, RSA or Ed25519`)
  }
}

function extensionsOf(spec: CertificateSpec, keyId: Buffer, authority: Buffer): Buffer[] {
  const critical = der.boolean(true)
  const list = [
    spec.isCa
      ? der.sequence(der.oid(oids.keyUsage), critical, der.octets(der.bits(Buffer.from([0xa4]), 2)))
      : der.sequence(der.oid(oids.keyUsage), critical, der.octets(der.bits(Buffer.from([0xa0]), 5))),
  ]
  if (spec.usages?.length) {
    const usages = der.sequence(...spec.usages.map(usage => der.oid(usageOid[usage])))
    list.push(der.sequence(der.oid(oids.extendedKeyUsage), der.octets(usages)))
  }
  const constraints = spec.isCa ? der.sequence(der.boolean(true)) : der.sequence()
  list.push(der.sequence(der.oid(oids.basicConstraints), critical, der.octets(constraints)))
  if (spec.isCa) list.push(der.sequence(der.oid(oids.subjectKeyId), der.octets(der.octets(keyId))))
  list.push(der.sequence(der.oid(oids.authorityKeyId), der.octets(der.sequence(der.context(0, false, authority)))))
  if (spec.sans?.length) {
    list.push(der.sequence(der.oid(oids.subjectAltName), der.octets(der.sequence(...spec.sans.map(generalName)))))
  }
  return list
}

function generalName(san: string): Buffer {
  return isIP(san) === 0 ? der.context(2, false, Buffer.from(san)) : der.context(7, false, addressBytes(san))
}

/** An address as it stands in a packet: 4 or 16 bytes. */
export function addressBytes(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split('.').map(Number))
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1)
  const [head = '', tail] = canonical.split('::')
  const groups = (text: string) => (text === '' ? [] : text.split(':').map(group => Number.parseInt(group, 16)))
  const before = groups(head)
  const after = groups(tail ?? '')
  const all = [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after]
  return Buffer.from(all.flatMap(group => [group >> 8, group & 0xff]))
}

/** The text of an iPAddress entry. */
export function addressText(bytes: Buffer): string {
  if (bytes.length === 4) return [...bytes].join('.')
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16))
  return canonicalAddress(groups.join(':'))
}

/** The one spelling of an address: "::1" for "0:0:0:0:0:0:0:1". Other text comes back unchanged. */
export function canonicalAddress(text: string): string {
  return isIP(text) === 6 ? new URL(`http://[${text}]`).hostname.slice(1, -1) : text
}

const keyIdOf = (spki: Buffer): Buffer => createHash('sha1').update(inside(spki)[1]!.content.subarray(1)).digest()
const keyIdOfKey = (issuer: Issuer): Buffer =>
  keyIdOf(createPublicKey(issuer.key).export({ type: 'spki', format: 'der' }))

function tbsOf(certificate: X509Certificate): { subject: Element; extensions: Element | undefined } {
  const parts = inside(inside(certificate.raw)[0]!.raw)
  const start = parts[0]!.tag === 0xa0 ? 1 : 0
  return { subject: parts[start + 4]!, extensions: parts.find(part => part.tag === 0xa3) }
}

/** The value of one extension among a list of them. */
export function findExtension(list: readonly Element[], oid: string): Buffer | undefined {
  const wanted = list.map(item => elements(item.content)).find(parts => oidText(parts[0]!.content) === oid)
  return wanted?.at(-1)?.content
}

function extension(certificate: X509Certificate, oid: string): Buffer | undefined {
  const { extensions } = tbsOf(certificate)
  return extensions && findExtension(inside(extensions.content), oid)
}

export interface Subject {
  readonly commonName: string
  readonly organizations: readonly string[]
}

/** Reads an X.501 name. */
export function subjectFrom(name: Element): Subject {
  const attributes = elements(name.content)
    .flatMap(set => elements(set.content))
    .map(attribute => elements(attribute.content))
    .map(([type, value]) => [oidText(type!.content), value!.content.toString()] as const)
  return {
    commonName: attributes.findLast(([oid]) => oid === oids.commonName)?.[1] ?? '',
    organizations: attributes.filter(([oid]) => oid === oids.organization).map(([, value]) => value),
  }
}

/** Common name and organizations: the user and groups of a client certificate. Read from the DER, so nothing is escaped. */
export function subjectOf(certificate: X509Certificate): Subject {
  return subjectFrom(tbsOf(certificate).subject)
}

const sansFrom = (value: Buffer | undefined): string[] =>
  (value ? inside(value) : []).flatMap(name =>
    name.tag === 0x82 ? [name.content.toString()] : name.tag === 0x87 ? [addressText(name.content)] : [],
  )

/** DNS names and addresses of the subjectAltName extension, as text. */
export function sansOf(certificate: X509Certificate): string[] {
  return sansFrom(extension(certificate, oids.subjectAltName))
}

/** Whether the certificate may be used so; one without the extension may be used for everything. */
export function allows(certificate: X509Certificate, usage: Usage): boolean {
  const value = extension(certificate, oids.extendedKeyUsage)
  return !value || inside(value).some(item => [usageOid[usage], '2.5.29.37.0'].includes(oidText(item.content)))
}

/** The certificates of a PEM bundle, in order. */
export function certificatesOf(bundle: string): X509Certificate[] {
  const blocks = bundle.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? []
  return blocks.map(block => new X509Certificate(block))
}

/** The private keys of a PEM file, in order. */
export function privateKeysOf(text: string): KeyObject[] {
  const blocks = text.match(/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]+?-----END [A-Z ]*PRIVATE KEY-----/g) ?? []
  return blocks.map(block => createPrivateKey(block))
}

function pem(label: string, content: Buffer): string {
  const lines = content.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}
