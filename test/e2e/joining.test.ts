/** Servers that join an embedded etcd by --server: with which token, under which name, with which settings. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { Node } from '../../bootstrap/client/resources.ts'
import { Bed, canRunClusters } from '../testbed/bed.ts'
import type { Cluster } from '../testbed/cluster.ts'
import { type Nodes, startNodes } from '../testbed/nodes.ts'

const skiff = join(import.meta.dirname, '../../bin/skiff')
const suite = canRunClusters ? describe : describe.skip
if (!canRunClusters) console.log('joining: skipped, needs root and containerd')

suite('servers that join', () => {
  let nodes: Nodes
  let first: Cluster
  /** A machine that nobody has used, of the first server's name. */
  let stranger: Bed
  beforeAll(async () => {
    nodes = await startNodes({ servers: 1, datastore: 'embedded' })
    first = nodes.first
    const network = { network: nodes.network, host: 30 }
    stranger = await Bed.create({ network, hostname: 'stranger' })
  }, 120_000)
  afterAll(async () => {
    await stranger?.destroy()
    await nodes?.destroy()
  }, 60_000)

  const token = () => readFileSync(first.file('server/token'), 'utf8').trim()
  /** The first lines of a server that ends by itself, and what it has made. */
  const refused = async (flags: readonly string[]) => {
    const args = ['server', '--server', nodes.url, '--disable', 'traefik', ...flags]
    const { code, stderr } = await stranger.run([skiff, ...args])
    expect(code).toBe(1)
    const made = await stranger.run([
      'sh',
      '-c',
      'ls -A /var/lib/rancher/k3s/server/tls /var/lib/rancher/k3s/server/db',
    ])
    expect(made.stdout.replaceAll(/^\/.*:$/gm, '').trim()).toBe('')
    return stderr.split('\n').at(-2)
  }

  test('with another token, or that of another cluster', async () => {
    expect(await refused(['--token', 'wrong'])).toBe(
      `skiff: failed to validate token: ${nodes.url}/v1-k3s/server-bootstrap: 401 not authorized: want the one in server/token of a server there`,
    )
    const other = token().replace(/^K10..../, 'K100000')
    expect(await refused(['--token', other])).toMatch(/^skiff: failed to validate token: token CA hash does not match/)
    expect(await refused([])).toBe('skiff: token is required to join a cluster')
  }, 30_000)

  test('with settings that servers must agree on', async () => {
    const why = 'cluster-cidr (here 10.52.0.0/16, there 10.42.0.0/16)'
    expect(await refused(['--token', token(), '--cluster-cidr', '10.52.0.0/16'])).toBe(
      `skiff: failed to validate server configuration: critical configuration value mismatch between servers: ${why}`,
    )
  }, 30_000)

  test('under a name that is taken', async () => {
    expect(await refused(['--token', token(), '--node-name', first.nodeName])).toMatch(
      /^skiff: Node password rejected, duplicate hostname/,
    )
  }, 30_000)

  test('one that fits is a server like the first', async () => {
    const second = await nodes.addServer()
    expect(readFileSync(second.file('server/tls/server-ca.key'))).toEqual(
      readFileSync(first.file('server/tls/server-ca.key')),
    )
    expect(readFileSync(second.file('server/token'), 'utf8').trim()).toBe(token())
    const { items } = await first.get<{ items: Node[] }>('nodes')
    expect(items.map(({ metadata }) => metadata.name).sort()).toEqual([first.nodeName, second.nodeName])
    const secret = `secret ${second.nodeName}.node-password.k3s -n kube-system`
    expect(await second.get(secret)).toMatchObject({ type: 'k3s.cattle.io/node-password' })
  }, 120_000)

  test('after the token was changed the others need the new one', async () => {
    const second = nodes.servers[1]!
    const printed = await first.exec([skiff, 'token', 'rotate', '--data-dir', first.file(''), '--new-token', 'changed'])
    expect(printed).toContain('Token rotated, restart k3s nodes with new token')
    const third = await nodes.addServer(['--token', 'changed'])
    expect(readFileSync(third.file('server/token'), 'utf8')).toContain('::server:changed')
    await second.stopServer()
    const { ended } = second.launch()
    expect(await ended).toContain('skiff: bootstrap data already found and encrypted with different token')
  }, 120_000)
})
