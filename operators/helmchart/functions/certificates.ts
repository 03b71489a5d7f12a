/** Sprig's keys and certificates. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { issueCertificate, keyPem } from '../../../bootstrap/pki/certificate.ts'
import { der, inside } from '../../../bootstrap/pki/der.ts'
import { display } from '../template/format.ts'
import { type FunctionTable, GoError, goFunction } from '../template/functions.ts'
import { GoStruct, type GoType, type GoValue } from '../template/values.ts'
import { decodeBase64 } from './encodings.ts'

const certificateType: GoType = { name: 'sprig.certificate', kind: 'struct' }
const goTypes = { certificate: certificateType }
const day = 86_400_000

function goCertificate(cert: string, key: string): GoStruct {
  return new GoStruct(certificateType.name, { Cert: cert, Key: key })
}

/** What a certificate is to say. */
interface Wanted {
  readonly commonName: string
  readonly days: number
  readonly sans?: readonly string[]
  readonly isCa?: boolean
}

/** Sprig's functions; `now` is in milliseconds since 1970. */
export function certificateFunctions(now: () => number): FunctionTable {
  const issue = ({ commonName, days, sans = [], isCa = false }: Wanted, key: KeyObject, signer: Signer): GoStruct => {
    const time = now()
    const spec = {
      commonName,
      sans,
      isCa,
      usages: ['server', 'client'] as const,
      notBefore: time,
      notAfter: time + days * day,
    }
    return goCertificate(issueCertificate(spec, createPublicKey(key), signer), keyPem(key))
  }
  const authority = (commonName: string, days: number, key: KeyObject): GoStruct =>
    issue({ commonName, days, isCa: true }, key, key)
  const selfSigned = (name: string, ips: Texts, dns: Texts, days: number, key: KeyObject): GoStruct =>
    issue({ commonName: name, days, sans: [...dnsNames(dns), ...addresses(ips)] }, key, key)
  const signed = (name: string, ips: Texts, dns: Texts, days: number, ca: GoStruct, key: KeyObject): GoStruct =>
    issue({ commonName: name, days, sans: [...dnsNames(dns), ...addresses(ips)] }, key, signerOf(ca))
  return {
    genPrivateKey: goFunction('string -> string', privateKey),
    genCA: goFunction(
      'string, int -> certificate',
      (name: string, days: number) => authority(name, days, rsaKey()),
      goTypes,
    ),
    genCAWithKey: goFunction(
      'string, int, string -> certificate',
      (name: string, days: number, pem: string) => authority(name, days, givenKey(pem)),
      goTypes,
    ),
    genSelfSignedCert: goFunction(
      'string, list, list, int -> certificate',
      (name: string, ips: Texts, dns: Texts, days: number) => selfSigned(name, ips, dns, days, rsaKey()),
      goTypes,
    ),
    genSelfSignedCertWithKey: goFunction(
      'string, list, list, int, string -> certificate',
      (name: string, ips: Texts, dns: Texts, days: number, pem: string) =>
        selfSigned(name, ips, dns, days, givenKey(pem)),
      goTypes,
    ),
    genSignedCert: goFunction(
      'string, list, list, int, certificate -> certificate',
      (name: string, ips: Texts, dns: Texts, days: number, ca: GoStruct) => signed(name, ips, dns, days, ca, rsaKey()),
      goTypes,
    ),
    genSignedCertWithKey: goFunction(
      'string, list, list, int, certificate, string -> certificate',
      (name: string, ips: Texts, dns: Texts, days: number, ca: GoStruct, pem: string) =>
        signed(name, ips, dns, days, ca, givenKey(pem)),
      goTypes,
    ),
    buildCustomCert: goFunction('string, string -> certificate', customCertificate, goTypes),
  }
}

type Texts = readonly GoValue[]
type Signer = Parameters<typeof issueCertificate>[2]

function rsaKey(bits = 2048): KeyObject {
  return generateKeyPairSync('rsa', { modulusLength: bits }).privateKey
}

function privateKey(kind: string): string {
  switch (kind) {
    case '':
    case 'rsa':
      return keyPem(rsaKey(4096))
    case 'ecdsa':
      return keyPem(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)
    case 'ed25519':
      return keyPem(generateKeyPairSync('ed25519').privateKey)
    case 'dsa':
      return dsaPem(generateKeyPairSync('dsa', { modulusLength: 2048, divisorLength: 256 }).privateKey)
    default:
      return `Unknown type ${kind}`
  }
}

/** OpenSSL's old form of DSA keys: version, P, Q, G, Y, X. */
function dsaPem(key: KeyObject): string {
  const [, algorithm, wrapped] = inside(key.export({ type: 'pkcs8', format: 'der' }))
  const [p, q, g] = inside(inside(algorithm!.raw)[1]!.raw).map(({ content }) => content)
  const x = inside(Buffer.concat([Buffer.from([0x30]), lengthByte(wrapped!.content.length), wrapped!.content]))[0]!
    .content
  const y = power(integerOf(g!), integerOf(x), integerOf(p!)).toString(16)
  const yBytes = Buffer.from(y.length % 2 ? `0${y}` : y, 'hex')
  const body = der.sequence(...[Buffer.from([0]), p!, q!, g!, yBytes, x].map(part => der.integer(part)))
  const lines = body
    .toString('base64')
    .match(/.{1,64}/g)!
    .join('\n')
  return `-----BEGIN DSA PRIVATE KEY-----\n${lines}\n-----END DSA PRIVATE KEY-----\n`
}

function lengthByte(length: number): Buffer {
  return Buffer.from([length])
}

function integerOf(bytes: Buffer): bigint {
  return BigInt(`0x${bytes.toString('hex')}`)
}

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n
  let factor = base % modulus
  for (let left = exponent; left > 0n; left >>= 1n) {
    if (left & 1n) result = (result * factor) % modulus
    factor = (factor * factor) % modulus
  }
  return result
}

/** parsePrivateKeyPEM. */
function readKey(pem: string): KeyObject {
  const type = /-----BEGIN ([^-]+)-----/.exec(pem)?.[1]
  if (type === undefined) throw new GoError('no PEM data in input')
  if (type !== 'PRIVATE KEY' && !type.endsWith(' PRIVATE KEY'))
    throw new GoError(`no private key data in PEM block of type ${type}`)
  const name = type.replace(/ ?PRIVATE KEY$/, '')
  if (!['', 'RSA', 'EC', 'DSA'].includes(name)) throw new GoError(`invalid private key type ${name}`)
  try {
    return createPrivateKey(pem)
  } catch (error) {
    const what = name === '' ? 'decoding PEM as PKCS#8' : `parsing ${name} private key from PEM`
    throw new GoError(`${what}: ${(error as Error).message}`)
  }
}

function givenKey(pem: string): KeyObject {
  return within('parsing private key', () => readKey(pem))
}

function within<T>(what: string, run: () => T): T {
  try {
    return run()
  } catch (error) {
    throw new GoError(`${what}: ${(error as Error).message}`)
  }
}

function signerOf(ca: GoStruct): Signer {
  const { Cert: cert = '', Key: key = '' } = ca.fields as { readonly [name: string]: string }
  return {
    certificate: readCertificate(cert, 'decodedSignerCert.Bytes'),
    key: within('error parsing private key', () => readKey(key)),
  }
}

function readCertificate(pem: string, what: string): X509Certificate {
  if (!/-----BEGIN [^-]+-----[\s\S]*-----END/.test(pem)) throw new GoError('unable to decode certificate')
  return within(`error parsing certificate: ${what}`, () => new X509Certificate(pem))
}

function customCertificate(cert64: string, key64: string): GoStruct {
  const decode = (text: string, what: string): string => {
    try {
      return Buffer.from(decodeBase64(text)).toString()
    } catch {
      throw new GoError(`unable to decode base64 ${what}`)
    }
  }
  const cert = decode(cert64, 'certificate')
  const key = decode(key64, 'private key')
  readCertificate(cert, 'decodedCert.Bytes')
  within('error parsing private key', () => readKey(key))
  return goCertificate(cert, key)
}

function addresses(ips: Texts): string[] {
  return ips.map(ip => {
    if (typeof ip !== 'string') throw new GoError(`error parsing ip: ${display(ip)} is not a string`)
    if (isIP(ip) === 0) throw new GoError(`error parsing ip: ${ip}`)
    return ip
  })
}

function dnsNames(names: Texts): string[] {
  return names.map(name => {
    if (typeof name !== 'string')
      throw new GoError(`error processing alternate dns name: ${display(name)} is not a string`)
    return name
  })
}
