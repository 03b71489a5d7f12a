/** What a node that joins sends, made with OpenSSL: independent of our own client side. */
import { execFileSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface OwnKey {
  readonly key: string
  /** A certificate request for it, in DER. */
  readonly request: Buffer
}

export function ownKey(): OwnKey {
  const folder = mkdtempSync(join(tmpdir(), 'skiff-csr-'))
  try {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const key = privateKey.export({ type: 'sec1', format: 'pem' }).toString()
    const [keyFile, csrFile] = [join(folder, 'key'), join(folder, 'csr')]
    writeFileSync(keyFile, key)
    execFileSync('openssl', ['req', '-new', '-key', keyFile, '-subj', '/', '-outform', 'DER', '-out', csrFile])
    return { key, request: readFileSync(csrFile) }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

export function basic(user: string, password: string): { readonly Authorization: string } {
  return { Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` }
}

export function nodeHeaders(name: string, password: string, ips?: string): { readonly [name: string]: string } {
  return { 'k3s-Node-Name': name, 'k3s-Node-Password': password, ...(ips === undefined ? {} : { 'k3s-Node-IP': ips }) }
}
