/** What all servers of a cluster share, as files and as the JSON that travels between them (k3s-io/k3s pkg/bootstrap). */
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { writeAtomically } from '../pki/files.ts'

/** K3s' names of the files; paths are below the data directory. */
const files: { readonly [name: string]: string } = {
  ETCDServerCA: 'server/tls/etcd/server-ca.crt',
  ETCDServerCAKey: 'server/tls/etcd/server-ca.key',
  ETCDPeerCA: 'server/tls/etcd/peer-ca.crt',
  ETCDPeerCAKey: 'server/tls/etcd/peer-ca.key',
  ServerCA: 'server/tls/server-ca.crt',
  ServerCAKey: 'server/tls/server-ca.key',
  ClientCA: 'server/tls/client-ca.crt',
  ClientCAKey: 'server/tls/client-ca.key',
  RequestHeaderCA: 'server/tls/request-header-ca.crt',
  RequestHeaderCAKey: 'server/tls/request-header-ca.key',
  ServiceKey: 'server/tls/service.key',
  PasswdFile: 'server/cred/passwd',
  IPSECKey: 'server/cred/ipsec.psk',
  EncryptionConfig: 'server/cred/encryption-config.json',
  EncryptionHash: 'server/cred/encryption-state.json',
}
/** Only there once Secrets are encrypted. */
const optional = new Set(['EncryptionConfig', 'EncryptionHash'])

export interface BundleFile {
  /** RFC 3339; empty where an old server did not say. */
  readonly Timestamp: string
  /** Base64. */
  readonly Content: string
}

export type Bundle = { readonly [name: string]: BundleFile }

/** Reads the JSON; servers of old sent bare contents. Throws an Error in one line for what is no bundle. */
export function parseBundle(text: string): Bundle {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new Error(`the bootstrap data is no JSON: ${(error as Error).message}`)
  }
  if (typeof value !== 'object' || value === null) throw new Error('the bootstrap data is no JSON object')
  return Object.fromEntries(
    Object.entries(value).map(([name, file]) => {
      if (typeof file === 'string') return [name, { Timestamp: '', Content: file }]
      const { Timestamp, Content } = file as Partial<BundleFile>
      return [name, { Timestamp: Timestamp ?? '', Content: Content ?? '' }]
    }),
  )
}

export function formatBundle(bundle: Bundle): string {
  const sorted = Object.entries(bundle).sort(([a], [b]) => (a < b ? -1 : 1))
  return `${JSON.stringify(Object.fromEntries(sorted))}\n`
}

/** What is on disk; files that are not there are left out. */
export async function readBundle(dataDir: string): Promise<Bundle> {
  const read = Object.entries(files).map(async ([name, file]) => {
    const path = join(dataDir, file)
    try {
      const [content, { mtime }] = await Promise.all([readFile(path), stat(path)])
      return [[name, { Timestamp: mtime.toISOString(), Content: content.toString('base64') }]] as const
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
      throw error
    }
  })
  return Object.fromEntries((await Promise.all(read)).flat())
}

/** Whether every file is there that a server cannot do without. */
export function isComplete(bundle: Bundle): boolean {
  return Object.keys(files).every(name => optional.has(name) || bundle[name] !== undefined)
}

export function sameContents(a: Bundle, b: Bundle): boolean {
  return Object.keys({ ...a, ...b }).every(name => a[name]?.Content === b[name]?.Content)
}

/** Where a file of the bundle is kept; undefined for names that we do not know. */
export function pathOf(dataDir: string, name: string): string | undefined {
  const file = files[name]
  return file && join(dataDir, file)
}

/** Writes the files named; certificates may be read by all. */
export async function writeFiles(dataDir: string, bundle: Bundle, names: readonly string[]): Promise<void> {
  await Promise.all(
    names.map(async name => {
      const path = pathOf(dataDir, name)
      const file = bundle[name]
      if (path === undefined || file === undefined) return
      await writeAtomically(path, Buffer.from(file.Content, 'base64'), path.endsWith('.crt') ? 0o644 : 0o600)
    }),
  )
}
