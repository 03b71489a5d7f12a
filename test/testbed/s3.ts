/** A real S3 server of a test's own: Debian's radosgw on loopback, started and stopped by ../shared/tools/s3-server. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const tool = join(import.meta.dirname, '../../../shared/tools/s3-server')
const outsideAddress = '198.51.100.1'
const outsidePort = 9000

/** Why there is none here, or undefined. */
export const noS3 = !existsSync(tool)
  ? `there is no ${tool}`
  : existsSync('/usr/bin/radosgw')
    ? undefined
    : `radosgw is not installed: ${tool} install`
if (noS3 !== undefined) console.warn(`not tested with S3: ${noS3}`)

export interface S3Server {
  /** Of 127.0.0.1, plain HTTP; it answers to buckets in front of "localhost", too. */
  readonly port: number
  readonly accessKey: string
  readonly secretKey: string
  /**
   * Makes it reachable at 198.51.100.1:9000 of a test bed, `spawnOutside` being the one of a Bed or `spawn` of a Network.
   * Returns "198.51.100.1:9000".
   */
  expose(spawnOutside: (command: readonly string[]) => ChildProcess): Promise<string>
  destroy(): Promise<void>
}

/** Takes 15 to 60 seconds: one per suite. It also ends when this process does, however it ends. */
export async function startS3(): Promise<S3Server> {
  const dir = mkdtempSync(join(tmpdir(), 'skiff-s3-'))
  const port = await freePorts(3)
  const guard = guardian(dir)
  try {
    const { stdout } = await promisify(execFile)(tool, ['start', dir, String(port)], { timeout: 300_000 })
    const value = (name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(stdout)![1]!
    const doors: (() => void)[] = []
    return {
      port,
      accessKey: value('S3_ACCESS_KEY'),
      secretKey: value('S3_SECRET_KEY'),
      expose: async spawnOutside => {
        const socket = join(dir, `door-${doors.length}`)
        doors.push(await door(socket, port, spawnOutside))
        return `${outsideAddress}:${outsidePort}`
      },
      async destroy() {
        for (const close of doors) close()
        await endOf(guard)
      },
    }
  } catch (error) {
    await endOf(guard)
    throw error
  }
}

/** Its daemons are nobody's children, so somebody else has to end them when the test is killed. */
function guardian(dir: string): ChildProcess {
  const script = 'trap "" INT TERM HUP; cat >/dev/null; exec "$0" stop "$1"'
  return spawn('bash', ['-c', script, tool, dir], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] })
}

async function endOf(guard: ChildProcess): Promise<void> {
  const ended = once(guard, 'exit')
  guard.stdin!.end()
  await ended
}

/** Namespaces of the network share the file system: a Unix socket leads from one to the other. */
async function door(
  socket: string,
  port: number,
  spawnOutside: (command: readonly string[]) => ChildProcess,
): Promise<() => void> {
  const server = createServer(client => {
    const upstream = connect(port, '127.0.0.1')
    client.pipe(upstream).pipe(client)
    client.on('error', () => upstream.destroy())
    upstream.on('error', () => client.destroy())
    client.on('close', () => upstream.destroy())
  }).listen(socket)
  await once(server, 'listening')
  const listen = `TCP-LISTEN:${outsidePort},bind=${outsideAddress},reuseaddr,fork`
  const relay = spawnOutside(['socat', listen, `UNIX-CONNECT:${socket}`])
  return () => {
    relay.kill('SIGKILL')
    server.close()
    rmSync(socket, { force: true })
  }
}

/** The first of `count` neighbouring ports that nobody has. */
async function freePorts(count: number): Promise<number> {
  for (;;) {
    const first = 20_000 + Math.floor(Math.random() * 10_000)
    const free = await Promise.all(Array.from({ length: count }, (_, offset) => isFree(first + offset)))
    if (free.every(Boolean)) return first
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
