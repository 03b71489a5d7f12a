/**
 * A program that `scripts/cluster.ts up` leaves behind: it makes the machines, holds them while it lives, starts what ends
 * there again as a service manager would, and brings connections in from this machine. SIGTERM removes everything.
 */

import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Cluster } from '../../test/testbed/cluster.ts'
import { type Database, hasDatabase, startDatabase } from '../../test/testbed/databases.ts'
import { forward, type LoadBalancer, startLoadBalancer } from '../../test/testbed/load-balancer.ts'
import { Network } from '../../test/testbed/network.ts'
import { Nodes } from '../../test/testbed/nodes.ts'
import { type Summary, stateDir, summaryFile } from './state.ts'
import { type Wish, WishError } from './wish.ts'

const apiPort = 6443
const outside = '198.51.100.1'
const againMs = 1000

const wish = JSON.parse(process.argv[2]!) as Wish
const stack: (() => unknown)[] = []
let ending = false

async function end(code: number): Promise<void> {
  if (ending) return
  ending = true
  for (const undo of stack.toReversed()) await undo()
  process.exit(code)
}

async function start(): Promise<Summary> {
  const network = await Network.create()
  stack.push(() => network.destroy())
  const database = await databaseOf(network)
  const nodes = nodesOn(network, database)
  stack.push(() => nodes.destroy())
  const balancer = await balance(network)
  stack.push(() => balancer.stop())
  await nodes.start()
  for (const node of nodes.all) {
    for (const image of wish.images) copyFileSync(image, join(node.file('agent/images'), basename(image)))
    keepRunning(node)
  }
  const kubeconfigPort = await bringIn(balancer.socketOf(apiPort), 0)
  for (const { host, cluster } of wish.ports) await bringIn(balancer.socketOf(cluster), host)
  const kubeconfig = join(stateDir(wish.name), 'kubeconfig.yaml')
  const text = nodes.first.kubeconfig().replace(/server: .*/, `server: https://127.0.0.1:${kubeconfigPort}`)
  writeFileSync(kubeconfig, text.replaceAll(/\bdefault\b/g, `skiff-${wish.name}`), { mode: 0o600 })
  for (const agent of nodes.agents) giveKubeconfig(agent, nodes.first.kubeconfig())
  return {
    name: wish.name,
    pid: process.pid,
    kubeconfig,
    logs: stateDir(wish.name),
    url: `https://${outside}:${apiPort}`,
    token: nodes.token,
    machines: nodes.all.map(node => ({
      node: node.nodeName,
      address: node.bed.address,
      data: node.file(''),
      enter: shellOn(node, nodes.agents.includes(node) ? kubeconfigOf(node) : '/etc/rancher/k3s/k3s.yaml'),
    })),
    ports: wish.ports,
  }
}

async function databaseOf(network: Network): Promise<Database | undefined> {
  const kind = wish.datastore
  if (kind === 'sqlite' || kind === 'embedded-etcd') return undefined
  if (!hasDatabase[kind]) throw new WishError(`DATASTORE=${kind}: not installed; run "make setup"`)
  const database = await startDatabase(kind, network)
  stack.push(() => database.destroy())
  return database
}

function nodesOn(network: Network, database: Database | undefined): Nodes {
  const { servers, agents, flags, agentFlags, datastore } = wish
  return new Nodes(network, {
    servers,
    agents,
    agentFlags,
    network,
    flags: ['--tls-san', outside, ...flags],
    url: `https://${outside}:${apiPort}`,
    ...(database ? { datastore: database } : datastore === 'embedded-etcd' ? { datastore: 'embedded' } : {}),
    server: { traefik: true },
    logFile: host => join(stateDir(wish.name), `${host}.log`),
  })
}

/** Before the API's servers, and before all nodes for the ports that were asked for. */
function balance(network: Network): Promise<LoadBalancer> {
  const address = (index: number) => `198.51.100.${11 + index}`
  const servers = Array.from({ length: wish.servers }, (_, index) => address(index))
  const all = Array.from({ length: wish.servers + wish.agents }, (_, index) => address(index))
  const ports = wish.ports.map(({ cluster }) => ({ port: cluster, addresses: all }))
  return startLoadBalancer(network, [{ port: apiPort, addresses: servers }, ...ports])
}

/** As a service manager does: what ends is started again. */
function keepRunning(node: Cluster): void {
  void node.ended.then(async message => {
    if (ending) return
    console.log(message)
    await new Promise(resolve => setTimeout(resolve, againMs))
    if (ending) return
    node.launch()
    keepRunning(node)
  })
}

async function bringIn(socket: string, port: number): Promise<number> {
  const way = await forward(socket, port)
  stack.push(() => way.close())
  return way.port
}

/** Agents have no administrator's kubeconfig of their own: for their shells, one that asks whichever server is up. */
function giveKubeconfig(agent: Cluster, text: string): void {
  mkdirSync(dirname(kubeconfigOf(agent)), { recursive: true })
  const server = `server: https://${outside}:${apiPort}`
  writeFileSync(kubeconfigOf(agent), text.replace(/server: .*/, server), { mode: 0o600 })
}

const homeOf = (node: Cluster): string => join(node.bed.dir, 'home')
const kubeconfigOf = (agent: Cluster): string => join(homeOf(agent), '.kube/config')

function shellOn(node: Cluster, kubeconfig: string): string {
  const [program, args] = node.bed.enter([])
  const bin = join(import.meta.dirname, '../../bin')
  const variables = [`HOME=${homeOf(node)}`, `KUBECONFIG=${kubeconfig}`, `PATH=${bin}:$PATH`]
  return `${variables.join(' ')} ${[program, ...args].join(' ')} bash`
}

mkdirSync(stateDir(wish.name), { recursive: true, mode: 0o700 })
process.on('SIGTERM', () => void end(0))
process.on('SIGINT', () => void end(0))
process.on('disconnect', () => undefined)
try {
  const summary = await start()
  writeFileSync(summaryFile(wish.name), JSON.stringify(summary))
  process.send?.(summary)
} catch (error) {
  console.log(error instanceof WishError ? error.message : (error as Error).message)
  await end(1)
}
