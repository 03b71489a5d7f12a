/**
 * `make bench`: runs each figure's file in a process of its own, one after the other, and prints one table. Names of files
 * (without .ts) as arguments run only these. SKIFF_BENCH_LOGS=1 shows the servers' logs,
 * SKIFF_BENCH_PROGRAM names another build than this one.
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { machineFacts } from './machine.ts'
import { type Row, rowsOf, table } from './row.ts'

const figures = [
  'start',
  'release',
  'node-start',
  'idle',
  'join',
  'agent',
  'pods',
  'servicelb',
  'manifests',
  'helmchart',
  'writes',
  'list',
  'reads',
  'fan-out',
  'datastore',
  'databases',
  'etcd',
  'snapshots',
  'dns',
  'ingress',
  'tunnel',
  'failover',
  'restore',
  'overlay',
  's3',
]

const asked = process.argv.slice(2)
const unknown = asked.find(name => !figures.includes(name))
if (unknown !== undefined) {
  console.error(`bench: no figure "${unknown}": want some of ${figures.join(', ')}`)
  process.exit(1)
}
if (process.env.SKIFF_BENCH_PROGRAM === undefined)
  execFileSync(process.execPath, [join(import.meta.dirname, '../../scripts/build.ts')], { stdio: 'inherit' })

const rows: Row[] = []
const failed: string[] = []
for (const name of asked.length > 0 ? asked : figures) {
  process.stderr.write(`bench: ${name} ...\n`)
  const child = spawn(process.execPath, [join(import.meta.dirname, `${name}.ts`)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.on('data', chunk => (output += chunk))
  const [code] = await once(child, 'close')
  if (code !== 0) failed.push(name)
  rows.push(...rowsOf(output))
}
console.log(`${(await machineFacts()).join('\n')}\n\n${table(rows)}`)
if (failed.length > 0) {
  console.error(`bench: failed: ${failed.join(', ')}`)
  process.exitCode = 1
}
