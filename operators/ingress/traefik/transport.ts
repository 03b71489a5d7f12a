/** ServersTransport: how backends by https are verified. */
import { X509Certificate } from 'node:crypto'
import type { Secret } from '../../../bootstrap/client/resources.ts'
import type { PoolTls } from '../model/model.ts'
import { NoService } from '../model/pools.ts'
import type { ServersTransport } from './types.ts'

/** Throws NoService when it names authorities that are not there: others must not be believed in their place. */
export function transportTls(
  { spec, metadata }: ServersTransport,
  secret: (namespace: string, name: string) => Secret | undefined,
): PoolTls {
  const { namespace = '', name } = metadata
  const names = [...(spec.rootCAsSecrets ?? []), ...(spec.rootCAs ?? []).flatMap(ca => ca.secret ?? [])]
  const authorities = names.map(item => {
    const data = secret(namespace, item)?.data ?? {}
    const pem = Buffer.from(data['tls.ca'] ?? data['ca.crt'] ?? '', 'base64').toString()
    const problem = problemOf(pem)
    if (problem === undefined) return pem.trim()
    throw new NoService('InvalidServersTransport', `ServersTransport ${namespace}/${name}: secret ${item} ${problem}`)
  })
  const verify = spec.insecureSkipVerify !== true
  const rest = { verify, serverName: spec.serverName }
  return authorities.length === 0 || !verify ? rest : { ...rest, authorities: `${authorities.join('\n')}\n` }
}

function problemOf(pem: string): string | undefined {
  if (pem === '') return 'does not exist or has no tls.ca'
  try {
    new X509Certificate(pem)
    return undefined
  } catch (error) {
    return `holds no certificate: ${(error as Error).message}`
  }
}
