/** A migration in a process of its own, to be killed: OPTIONS-JSON. Ends with 0 when etcd holds everything. */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { systemClock } from '../../client/clock.ts'
import { type EmbeddedOptions, startEmbedded } from '../embedded.ts'
import { migrate, prepareMigration } from '../migrate.ts'

const options = JSON.parse(process.argv[2]!) as EmbeddedOptions
const awake = setInterval(() => undefined, 1000)
const quiet = () => undefined
const log = { debug: quiet, info: quiet, warn: quiet, error: quiet }
const signal = new AbortController().signal
const pending = await prepareMigration(options.dataDir, true)
const etcd = await startEmbedded(options, { clock: systemClock, random: Math.random, uuid: randomUUID, log, signal })
// A dot per step; whoever watches kills at one of them, or answers.
const step = async () => {
  process.stdout.write('.')
  await once(process.stdin, 'data')
}
if (pending) await migrate(options.dataDir, etcd.endpoint, options.tls, { clock: systemClock, log, step })
await etcd.stop()
process.stdin.destroy()
clearInterval(awake)
