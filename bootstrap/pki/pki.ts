/** The cluster's certificates and keys on disk: made on first boot, kept, and renewed at start when they are due. */
import { createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'
import { join } from 'node:path'
import {
  allows,
  canonicalAddress,
  certificatesOf,
  type Issuer,
  issueCertificate,
  keyPem,
  newKey,
  privateKeysOf,
  sansOf,
  subjectOf,
  type Usage,
} from './certificate.ts'
import { readIfPresent, writeAtomically } from './files.ts'
import { type CaName, caLayout, type LeafLayout, type LeafName, leafLayout, type Names } from './layout.ts'

/** A certificate with its key. `cert` is PEM: the leaf followed by its issuer's bundle, or a CA's bundle. */
export interface KeyPair {
  readonly certPath: string
  readonly keyPath: string
  readonly cert: string
  readonly key: string
}

export interface IssueSpec {
  readonly ca: CaName
  readonly commonName: string
  readonly organizations?: readonly string[]
  readonly sans?: readonly string[]
  readonly usages: readonly Usage[]
  readonly publicKey: KeyObject
  /** Default: leafDays. */
  readonly lifetimeMs?: number
}

export interface Pki extends Record<CaName, KeyPair>, Record<Exclude<LeafName, EtcdLeaf>, KeyPair> {
  /** Only with `etcd`. */
  readonly etcd: Record<EtcdLeaf, KeyPair> | undefined
  /** Service-account keys: all verify, `signing` signs. PEM. */
  readonly serviceKeys: { readonly signing: string; readonly all: readonly string[] }
  /** Signs a certificate for a key; returns PEM: the leaf followed by the CA's bundle. */
  issue(spec: IssueSpec): string
}

type EtcdLeaf = 'etcdServer' | 'etcdPeer' | 'etcdClient'

export interface PkiOptions extends Names {
  /** The data directory, e.g. /var/lib/rancher/k3s: files go to server/tls and agent below it. */
  readonly dir: string
  readonly clock: { now(): number }
  /** Also make etcd's leaf certificates. */
  readonly etcd?: boolean
  /** Lifetime of new leaves in days (CATTLE_NEW_SIGNED_CERT_EXPIRATION_DAYS); default 365. */
  readonly leafDays?: number
}

const day = 86_400_000
const caDays = 3650
const renewBelowDays = 120

/**
 * Reads, completes and renews everything K3s keeps under server/tls and agent. A leaf is made anew when fewer than 120
 * days remain or when its subject, names, use or issuer is not what is wanted; its key is kept. CAs are never replaced:
 * half a CA is an error that names the missing file.
 */
export async function ensurePki(options: PkiOptions): Promise<Pki> {
  const writes: Promise<void>[] = []
  const write = (path: string, content: string, mode: number) => writes.push(writeAtomically(path, content, mode))
  const caNames = Object.keys(caLayout) as CaName[]
  const caFiles = await Promise.all(caNames.map(name => readPair(options.dir, caLayout[name].file)))
  const authorities = {} as Record<CaName, Authority>
  caNames.forEach((name, index) => {
    authorities[name] = ensureCa(caLayout[name].commonName, caFiles[index]!, options.clock.now(), write)
  })

  const issue = (spec: IssueSpec): string => {
    const authority = authorities[spec.ca]
    const now = options.clock.now()
    const lifetime = spec.lifetimeMs ?? (options.leafDays ?? 365) * day
    const leaf = issueCertificate(
      {
        ...spec,
        notBefore: Math.min(now, authority.issuer.certificate.validFromDate.getTime()),
        notAfter: now + lifetime,
      },
      spec.publicKey,
      authority.issuer,
    )
    return leaf + authority.pair.cert
  }

  const layout = leafLayout(options)
  const leafNames = (Object.keys(layout) as LeafName[]).filter(name => options.etcd || !name.startsWith('etcd'))
  const leafFiles = await Promise.all(leafNames.map(name => readPair(options.dir, layout[name].file)))
  const leaves = {} as Record<LeafName, KeyPair>
  leafNames.forEach((name, index) => {
    const wanted = layout[name]
    const context = { authority: authorities[wanted.ca], now: options.clock.now(), issue, write }
    leaves[name] = ensureLeaf(wanted, leafFiles[index]!, context)
  })

  const serviceKeys = await ensureServiceKeys(join(options.dir, 'server/tls'), write)
  await writeCopies(options.dir, authorities, write)
  await Promise.all(writes)
  const { etcdServer, etcdPeer, etcdClient, ...rest } = leaves
  const pairs = Object.fromEntries(caNames.map(name => [name, authorities[name].pair])) as Record<CaName, KeyPair>
  return {
    ...pairs,
    ...rest,
    etcd: options.etcd ? { etcdServer, etcdPeer, etcdClient } : undefined,
    serviceKeys,
    issue,
  }
}

type WriteFile = (path: string, content: string, mode: number) => void

interface Authority {
  readonly pair: KeyPair
  readonly issuer: Issuer
}

interface Found {
  readonly certPath: string
  readonly keyPath: string
  readonly cert: string | undefined
  readonly key: string | undefined
}

async function readPair(dir: string, file: string): Promise<Found> {
  const certPath = join(dir, `${file}.crt`)
  const keyPath = join(dir, `${file}.key`)
  const [cert, key] = await Promise.all([readIfPresent(certPath), readIfPresent(keyPath)])
  return { certPath, keyPath, cert, key }
}

function ensureCa(commonName: string, found: Found, now: number, write: WriteFile): Authority {
  if (found.cert !== undefined && found.key !== undefined) {
    const [certificate] = certificatesOf(found.cert)
    const [key] = privateKeysOf(found.key)
    if (!certificate) throw new Error(`${found.certPath} holds no certificate: restore it from a backup`)
    if (!key) throw new Error(`${found.keyPath} holds no private key: restore it from a backup`)
    if (!certificate.checkPrivateKey(key)) throw new Error(`${found.keyPath} is not the key of ${found.certPath}`)
    return { pair: { ...found, cert: found.cert, key: found.key }, issuer: { certificate, key } }
  }
  if (found.cert !== undefined || found.key !== undefined) {
    const [there, missing] =
      found.cert === undefined ? [found.keyPath, found.certPath] : [found.certPath, found.keyPath]
    throw new Error(`${there} exists but ${missing} does not: restore it, or remove both to make a new CA`)
  }
  const key = newKey()
  const spec = {
    commonName: `${commonName}@${Math.floor(now / 1000)}`,
    isCa: true,
    notBefore: now,
    notAfter: now + caDays * day,
  }
  const pair = { ...found, cert: issueCertificate(spec, createPublicKey(key), key), key: keyPem(key) }
  write(pair.certPath, pair.cert, 0o644)
  write(pair.keyPath, pair.key, 0o600)
  return { pair, issuer: { certificate: new X509Certificate(pair.cert), key } }
}

interface LeafContext {
  readonly authority: Authority
  readonly now: number
  readonly issue: (spec: IssueSpec) => string
  readonly write: WriteFile
}

function ensureLeaf(wanted: LeafLayout, found: Found, context: LeafContext): KeyPair {
  const key = (found.key && privateKeysOf(found.key)[0]) || newKey()
  if (found.cert !== undefined && found.key !== undefined && isCurrent(found.cert, key, wanted, context)) {
    return { ...found, cert: found.cert, key: found.key }
  }
  const pair = {
    ...found,
    cert: context.issue({ ...wanted, publicKey: createPublicKey(key) }),
    key: keyPem(key),
  }
  context.write(pair.certPath, pair.cert, 0o644)
  if (pair.key !== found.key) context.write(pair.keyPath, pair.key, 0o600)
  return pair
}

function isCurrent(cert: string, key: KeyObject, wanted: LeafLayout, { authority, now }: LeafContext): boolean {
  const [leaf, ...chain] = certificatesOf(cert)
  if (!leaf) return false
  const subject = subjectOf(leaf)
  const issuer = authority.issuer.certificate
  return (
    leaf.validFromDate.getTime() <= now &&
    leaf.validToDate.getTime() - now >= renewBelowDays * day &&
    leaf.checkPrivateKey(key) &&
    leaf.checkIssued(issuer) &&
    leaf.verify(issuer.publicKey) &&
    chain.map(String).join() === certificatesOf(authority.pair.cert).map(String).join() &&
    subject.commonName === wanted.commonName &&
    sameSet(subject.organizations, wanted.organizations ?? []) &&
    sameSet(sansOf(leaf), (wanted.sans ?? []).map(canonicalAddress)) &&
    wanted.usages.every(usage => allows(leaf, usage))
  )
}

function sameSet(a: readonly string[], b: readonly string[]): boolean {
  const left = new Set(a)
  const right = new Set(b)
  return left.size === right.size && [...left].every(item => right.has(item))
}

async function ensureServiceKeys(tls: string, write: WriteFile): Promise<Pki['serviceKeys']> {
  const path = join(tls, 'service.key')
  const currentPath = join(tls, 'service.current.key')
  const [all, current] = await Promise.all([readIfPresent(path), readIfPresent(currentPath)])
  const keys = all === undefined ? [] : privateKeysOf(all).map(keyPem)
  if (all !== undefined && keys.length === 0) throw new Error(`${path} holds no private key: restore it from a backup`)
  if (keys.length === 0) {
    keys.push(keyPem(newKey()))
    write(path, keys[0]!, 0o600)
  }
  const [chosen] = privateKeysOf(current ?? '').map(keyPem)
  const signing = chosen !== undefined && keys.includes(chosen) ? chosen : keys[0]!
  if (signing !== chosen) write(currentPath, signing, 0o600)
  return { signing, all: keys }
}

/** Copies of CA certificates that other programs look for: without their chain, and beside the agent's certificates. */
async function writeCopies(dir: string, authorities: Record<CaName, Authority>, write: WriteFile): Promise<void> {
  const { serverCa, clientCa } = authorities
  const copies: readonly [string, string][] = [
    ['server/tls/server-ca.nochain.crt', serverCa.issuer.certificate.toString()],
    ['server/tls/client-ca.nochain.crt', clientCa.issuer.certificate.toString()],
    ['agent/server-ca.crt', serverCa.pair.cert],
    ['agent/client-ca.crt', clientCa.pair.cert],
  ]
  const present = await Promise.all(copies.map(([file]) => readIfPresent(join(dir, file))))
  copies.forEach(([file, content], index) => {
    if (present[index] !== content) write(join(dir, file), content, 0o644)
  })
}
