/** What a node is waited for: Ready, and its DNS; and the containerd beside it. */
import { Resolver } from 'node:dns/promises'
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import type { Node } from '../../bootstrap/client/resources.ts'
import type { Http } from './http.ts'
import { untilEvent } from './until.ts'

const dnsServer = '10.43.0.10'
const name = 'kubernetes.default.svc.cluster.local'

export async function untilNodeReady(http: Http): Promise<void> {
  await untilEvent<Node>(
    http,
    '/api/v1/nodes',
    node => node.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false,
  )
}

/** Resolves once the cluster's DNS knows the API's address. */
export async function untilDnsAnswers(): Promise<void> {
  const resolver = new Resolver({ timeout: 100, tries: 1 })
  resolver.setServers([dnsServer])
  for (;;) {
    const addresses = await resolver.resolve4(name).catch(() => [])
    if (addresses.length > 0) return
    await delay(5)
  }
}

/** Of the processes here, those whose program has this name. */
export function processesNamed(program: string): number[] {
  return readdirSync('/proc')
    .filter(entry => /^\d+$/.test(entry) && comm(entry) === program)
    .map(Number)
}

function comm(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
  } catch {
    return '' // it has ended
  }
}
