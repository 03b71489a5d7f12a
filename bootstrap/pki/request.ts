/** PKCS #10 certificate requests (RFC 2986), as joining nodes and the certificates API send them. */
import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { addressText, algorithmOf, findExtension, oids, type Subject, subjectFrom } from './certificate.ts'
import { DerError, der, type Element, elements, inside, oidText } from './der.ts'

export interface CertificateRequest extends Subject {
  readonly publicKey: KeyObject
  readonly dnsNames: readonly string[]
  readonly ipAddresses: readonly string[]
  /** SAN entries that are neither (mail addresses, URIs). */
  readonly otherSans: number
}

/** Reads a certificate request, PEM or DER, and checks its signature. Throws DerError when it is not one. */
export function parseRequest(input: Buffer | string): CertificateRequest {
  const text = input.toString()
  const raw = text.includes('-----BEGIN') ? unpem(text) : Buffer.from(input)
  const [info, algorithm, signature] = inside(raw)
  if (!info || !algorithm || !signature) throw new DerError('not a certificate request')
  const [, subject, spki, attributes] = elements(info.content)
  if (!subject || !spki) throw new DerError('not a certificate request')
  const publicKey = createPublicKey({ key: spki.raw, format: 'der', type: 'spki' })
  const digest = digests[oidText(elements(algorithm.content)[0]!.content)]
  if (digest === undefined) throw new DerError('unknown signature algorithm')
  if (!verify(digest, info.raw, publicKey, signature.content.subarray(1))) {
    throw new DerError('the signature of the certificate request does not match its key')
  }
  const sans = requestedSans(attributes)
  return {
    ...subjectFrom(subject),
    publicKey,
    dnsNames: sans.filter(name => name.tag === 0x82).map(name => name.content.toString()),
    ipAddresses: sans.filter(name => name.tag === 0x87).map(name => addressText(name.content)),
    otherSans: sans.filter(name => name.tag !== 0x82 && name.tag !== 0x87).length,
  }
}

const digests: Record<string, string | null> = {
  '1.2.840.10045.4.3.2': 'sha256',
  '1.2.840.10045.4.3.3': 'sha384',
  '1.2.840.10045.4.3.4': 'sha512',
  '1.2.840.113549.1.1.11': 'sha256',
  '1.2.840.113549.1.1.12': 'sha384',
  '1.2.840.113549.1.1.13': 'sha512',
  '1.3.101.112': null,
}

function requestedSans(attributes: Element | undefined): Element[] {
  if (!attributes) return []
  const wanted = elements(attributes.content)
    .map(attribute => elements(attribute.content))
    .find(([type]) => oidText(type!.content) === oids.extensionRequest)
  const list = wanted?.[1] && elements(wanted[1].content)[0]
  const value = list && findExtension(elements(list.content), oids.subjectAltName)
  return value ? inside(value) : []
}

function unpem(text: string): Buffer {
  const body = /-----BEGIN [^-]+-----([\s\S]+?)-----END/.exec(text)?.[1]
  if (body === undefined) throw new DerError('not a PEM block')
  return Buffer.from(body, 'base64')
}

/** A request, in DER, for a certificate of this key; who it is for is the signer's business. */
export function certificateRequest(key: KeyObject): Buffer {
  const spki = createPublicKey(key).export({ type: 'spki', format: 'der' })
  const info = der.sequence(der.integer(Buffer.from([0])), der.sequence(), spki, der.context(0, true))
  return der.sequence(info, algorithmOf(key), der.bits(sign(signatureDigest(key), info, key)))
}

const signatureDigest = (key: KeyObject): string | null => (key.asymmetricKeyType === 'ed25519' ? null : 'sha256')
