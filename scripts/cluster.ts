/**
 * A program: clusters of several machines inside this one, to play with, as root.
 *   node scripts/cluster.ts up      makes one and returns when its nodes are Ready
 *   node scripts/cluster.ts down    removes it
 *   node scripts/cluster.ts list    names all
 *   node scripts/cluster.ts import  FILE...  gives images (archives) to all its nodes
 * What it is to be comes from the environment: NAME, NODES (or SERVERS), AGENTS, DATASTORE, FLAGS, AGENT_FLAGS, PORTS,
 * IMAGES; docs/clusters.md says what each means.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, openSync, readFileSync, rmSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { canRunClusters } from '../test/testbed/bed.ts'
import { isRunning, known, type Summary, stateDir } from './cluster/state.ts'
import { parseWish, WishError } from './cluster/wish.ts'

async function up(): Promise<void> {
  if (!canRunClusters) throw new WishError('this needs root and containerd; run "make setup" as root')
  const wish = parseWish(process.env)
  for (const image of wish.images) mustBeFile('IMAGES', image)
  if (isRunning(wish.name))
    throw new WishError(`a cluster ${wish.name} is up already: make cluster-down NAME=${wish.name}`)
  const dir = stateDir(wish.name)
  rmSync(dir, { recursive: true, force: true })
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const log = openSync(join(dir, 'log'), 'a')
  // It holds the machines: when it ends, they end.
  const keeper = fork(join(import.meta.dirname, 'cluster/keeper.ts'), [JSON.stringify(wish)], {
    detached: true,
    stdio: ['ignore', log, log, 'ipc'],
  })
  const stop = () => void keeper.kill('SIGTERM')
  process.once('SIGINT', stop).once('SIGTERM', stop)
  const said = await Promise.race([once(keeper, 'message'), once(keeper, 'exit').then(() => undefined)])
  if (!said) {
    const lines = readFileSync(join(dir, 'log'), 'utf8').trim().split('\n')
    rmSync(dir, { recursive: true, force: true })
    throw new WishError(lines.slice(-12).join('\n'))
  }
  keeper.disconnect()
  keeper.unref()
  console.log(usage(said[0] as Summary))
}

function usage({ name, kubeconfig, logs, machines, ports, token, url }: Summary): string {
  const suffix = name === 'dev' ? '' : ` NAME=${name}`
  return [
    `\nCluster ${name} is up: ${machines.length} nodes.\n`,
    ...machines.map(({ node, address, data }) => `  ${node.padEnd(12)} ${address.padEnd(16)} data-dir ${data}`),
    '',
    `  export KUBECONFIG=${kubeconfig}`,
    '  bin/skiff kubectl get nodes -o wide',
    ...ports.map(({ host, cluster }) => `  port ${cluster} of the nodes is 127.0.0.1:${host}`),
    '',
    'Images for pods: busybox:1 (with bash, getent and fetch HOST[:PORT][/PATH]), web:1 (HTTP on port 80), and your own:',
    `  make cluster-import${suffix} FILES="image.tar"`,
    'A shell on a node, where "skiff" is this one; a killed skiff is started again after a second:',
    `  make cluster-shell${suffix} HOST=${machines.at(-1)!.node}`,
    `Further nodes would join ${url} with the token ${token}.`,
    `Logs, as they are written: ${machines.map(({ node }) => join(logs, `${node}.log`)).join(' ')}`,
    `Remove it:\n  make cluster-down${suffix}`,
  ].join('\n')
}

async function down(): Promise<void> {
  const { name } = parseWish(process.env)
  const summary = known(name)
  if (!summary) {
    console.log(`There is no cluster ${name}.`)
    return
  }
  if (isRunning(name)) {
    process.kill(summary.pid, 'SIGTERM')
    while (isRunning(name)) await new Promise(resolve => setTimeout(resolve, 50))
  }
  rmSync(stateDir(name), { recursive: true, force: true })
  console.log(`Cluster ${name} is gone.`)
}

function list(): void {
  const all = known()
  for (const { name, kubeconfig, machines } of all) {
    const state = isRunning(name)
      ? machines.map(({ node }) => node).join(' ')
      : 'ended; make cluster-down clears it away'
    console.log(`${name.padEnd(12)} ${kubeconfig.padEnd(44)} ${state}`)
  }
  if (all.length === 0) console.log('There are no clusters. make cluster NODES=3 AGENTS=2 makes one.')
}

function importImages(files: readonly string[]): void {
  if (files.length === 0) throw new WishError('FILES="image.tar": which archives of images?')
  for (const file of files) mustBeFile('FILES', file)
  const summary = running()
  for (const file of files)
    for (const { data } of summary.machines) copyFileSync(file, join(data, 'agent/images', basename(file)))
  console.log(`${files.join(' ')}: given to ${summary.machines.length} nodes`)
}

function mustBeFile(variable: string, path: string): void {
  const found = statSync(path, { throwIfNoEntry: false })
  if (!found?.isFile()) throw new WishError(`${variable}=${path}: ${found ? 'not a file' : 'no such file'}`)
}

/** The command that opens a shell on a node. */
function shell(): void {
  const { machines } = running()
  const wanted = process.env.HOST || machines[0]!.node
  const machine = machines.find(({ node }) => node === wanted)
  if (!machine) throw new WishError(`HOST=${wanted}: there are ${machines.map(({ node }) => node).join(', ')}`)
  console.log(machine.enter)
}

function running(): Summary {
  const { name } = parseWish(process.env)
  const summary = known(name)
  if (!summary || !isRunning(name)) throw new WishError(`there is no cluster ${name}`)
  return summary
}

const [command = '', ...rest] = process.argv.slice(2)
const commands: { readonly [name: string]: () => void | Promise<void> } = {
  up,
  down,
  list,
  import: () => importImages(rest),
  shell,
}
try {
  const run = commands[command]
  if (!run) throw new WishError(`which of ${Object.keys(commands).join(', ')}?`)
  await run()
} catch (error) {
  if (!(error instanceof WishError)) throw error
  console.error(`cluster: ${error.message}`)
  process.exitCode = 1
}
