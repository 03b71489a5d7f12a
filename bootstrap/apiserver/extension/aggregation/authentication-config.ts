/** The ConfigMap by which aggregated servers learn whom to trust (upstream: pkg/controlplane/controller/clusterauthenticationtrust). */
import { isAlreadyExists, isConflict } from '../../../api/errors.ts'
import type { KubeObject } from '../../../api/object.ts'
import type { Client, Resource } from '../../../client/client.ts'
import { certificatesOf } from '../../../pki/certificate.ts'
import { followStore } from '../../auth/follow.ts'
import { jsonEqual } from '../../patch/json.ts'
import type { ResourceStore } from '../../store/store.ts'

export interface Trust {
  /** PEM. */
  readonly clientCa: string
  readonly requestHeaderCa: string
  /** Common names of front proxies. */
  readonly allowedNames: readonly string[]
}

type Data = { readonly [key: string]: string }

const configMaps: Resource = { group: '', version: 'v1', resource: 'configmaps', kind: 'ConfigMap', namespaced: true }
const name = 'extension-apiserver-authentication'
const namespace = 'kube-system'

/** What the ConfigMap should hold: our trust and, as other servers may have written theirs, what is there and still valid. */
export function trustData(trust: Trust, there: Data, now: number): Data {
  const names = union(listOf(there['requestheader-allowed-names']), trust.allowedNames)
  return {
    'client-ca-file': bundle(there['client-ca-file'], trust.clientCa, now),
    'requestheader-allowed-names': JSON.stringify(names),
    'requestheader-client-ca-file': bundle(there['requestheader-client-ca-file'], trust.requestHeaderCa, now),
    'requestheader-extra-headers-prefix': '["X-Remote-Extra-"]',
    'requestheader-group-headers': '["X-Remote-Group"]',
    'requestheader-username-headers': '["X-Remote-User"]',
  }
}

/** Ours first, each certificate once, without those that have expired. */
function bundle(there: string | undefined, ours: string, now: number): string {
  const valid = certificatesIn(there ?? '').filter(({ validToDate }) => validToDate.getTime() > now)
  const texts = [...certificatesIn(ours), ...valid].map(certificate => certificate.toString())
  return [...new Set(texts)].join('')
}

function certificatesIn(pem: string) {
  try {
    return certificatesOf(pem)
  } catch {
    return []
  }
}

function listOf(text: string | undefined): string[] {
  try {
    return (JSON.parse(text ?? '[]') as unknown[]).filter(item => typeof item === 'string')
  } catch {
    return []
  }
}

const union = (a: readonly string[], b: readonly string[]) => [...new Set([...a, ...b])].sort()

/** Writes the ConfigMap, and again whenever somebody changes or deletes it. Settles when the signal aborts. */
export async function keepTrustPublished(
  trust: Trust,
  parts: { store: ResourceStore; client: Client; now: () => number; onError: (error: unknown) => void },
  signal: AbortSignal,
): Promise<void> {
  const { store, client } = parts
  const publish = async (): Promise<void> => {
    const current = store.get(namespace, name)?.object
    const { data: there = {} } = (current ?? {}) as { data?: Data }
    const data = { ...there, ...trustData(trust, there, parts.now()) }
    if (current && jsonEqual(data, there)) return
    const metadata = current?.metadata ?? { name, namespace }
    const object: KubeObject = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data }
    try {
      if (current) await client.update(configMaps, object)
      else await client.create(configMaps, object)
    } catch (error) {
      if (!isConflict(error) && !isAlreadyExists(error)) parts.onError(error)
    }
  }
  await publish()
  const changed = ({ metadata }: KubeObject) => {
    if (metadata.name === name && metadata.namespace === namespace) void publish()
  }
  await followStore(store, { clear: () => {}, set: changed, delete: changed }, signal)
}
