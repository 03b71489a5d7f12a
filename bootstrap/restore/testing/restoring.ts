/** A restore in a process of its own, to be killed: ARGUMENTS of the server, as JSON. Ends with 0 when it is done. */
import { once } from 'node:events'
import { restoreCluster } from '../restore.ts'
import { configOf, quietLog } from './restore-fixture.ts'

const [dataDir, ...args] = JSON.parse(process.argv[2]!) as [string, ...string[]]
const awake = setInterval(() => undefined, 1000)
// A line per step; whoever watches kills at one of them, or answers.
const step = async (name: string) => {
  process.stdout.write(`${name}\n`)
  await once(process.stdin, 'data')
}
const userland = () => Promise.reject(new Error('no userland'))
await restoreCluster(configOf(dataDir, ...args), {
  log: quietLog,
  userland,
  signal: new AbortController().signal,
  step,
})
process.stdin.destroy()
clearInterval(awake)
