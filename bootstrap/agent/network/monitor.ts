/** Tells when the machine's devices or addresses change, by `ip monitor`: the kernel says so, nothing is polled. */
import { type ChildProcess, spawn } from 'node:child_process'
import { backoffMs, type Clock } from '../../client/clock.ts'

export interface MonitorDeps {
  readonly clock: Clock
  readonly random: () => number
  readonly log: { warn(fields: object, message: string): void }
}

/** Pods' ends on the bridge come and go, and the overlay's own address is told whenever it is set; both say nothing of the node. */
const ofPods = /\b(veth\w*|cni0)\b|\bflannel\S*\s+inet/

/** What happens together is told once. */
const quietMs = 100

/** Starts the program, again should it end; `changed` is called after it has missed something, too. */
export function monitorDevices(changed: () => void, { clock, random, log }: MonitorDeps, signal: AbortSignal): void {
  const run = async () => {
    for (let failures = 0; !signal.aborted; failures++) {
      const startedAt = clock.now()
      const why = await watch(changed, clock, signal)
      if (signal.aborted) return
      if (clock.now() - startedAt > 60_000) failures = 0
      log.warn({ error: why }, 'the watch over network devices ended, starting it again')
      await clock.sleep(backoffMs(failures, 500, 30_000, random), signal).catch(() => undefined)
      changed()
    }
  }
  void run()
}

/** Resolves with the reason when the program has ended. */
function watch(changed: () => void, clock: Clock, signal: AbortSignal): Promise<string> {
  return new Promise(resolve => {
    // Ends with this process, however that ends.
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'ip', '-o', 'monitor', 'link', 'address'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    child.unref()
    const stop = () => child.kill('SIGKILL')
    signal.addEventListener('abort', stop)
    const ended = (why: string) => {
      signal.removeEventListener('abort', stop)
      resolve(why)
    }
    child.once('error', error => ended(error.message))
    child.once('exit', code => ended(`ip monitor: exit ${code}`))
    readLines(child, lines => {
      if (lines.some(line => line !== '' && !ofPods.test(line))) tell()
    })
    let waiting = false
    const tell = () => {
      if (waiting) return
      waiting = true
      void clock.sleep(quietMs, signal).then(
        () => {
          waiting = false
          changed()
        },
        () => undefined,
      )
    }
  })
}

function readLines(child: ChildProcess, each: (lines: readonly string[]) => void): void {
  let rest = ''
  child.stdout!.on('data', data => {
    const lines = (rest + data).split('\n')
    rest = lines.pop()!
    each(lines)
  })
  const pipe = child.stdout as unknown as { unref?: () => void }
  pipe.unref?.()
}
