/** What a snapshot of etcd shows: etcd restores it into a folder of ours and answers from there, to nobody but us. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { systemClock } from '../../client/clock.ts'
import type { Entry, Revision } from '../../datastore/datastore.ts'
import { compactionKey } from '../../datastore/etcd/compactor.ts'
import { Connection } from '../../datastore/etcd/connection.ts'
import { entryOf } from '../../datastore/etcd/live.ts'
import type { RangeResponse } from '../../datastore/etcd/messages.ts'
import { shiftKey } from '../../datastore/etcd/shifted.ts'
import { type ReadOptions, SnapshotError } from '../snapshot.ts'
import type { Content } from './content.ts'

const exec = promisify(execFile)

/** An address nobody has and nobody asks for: the member is alone. */
const nowhere = 'http://127.0.0.1:1'
/** etcd wants a host and a port, and makes a socket of this name in its working directory. */
const socketName = 'client:1'
/** What the kernel takes as the path of one, in bytes, with the zero at its end. */
const longestSocket = 108
/** Reading a gigabyte at the start takes it a while on a slow disk. */
const startMs = 10 * 60 * 1000
const answerMs = 60_000
/** As much is asked for at once, by the size of what came before. */
const pageBytes = 1024 * 1024
const pageKeys = { first: 100, most: 2000 }

/** Resolves once etcd has restored `file` and answers. `name` is what the user knows it by. */
export async function openEtcdFile(
  file: string,
  name: string,
  { dir, signal, programs }: ReadOptions,
): Promise<Content> {
  const [etcd, etcdctl] = await Promise.all([programs.etcd(), programs.etcdctl()])
  if (etcd === undefined || etcdctl === undefined)
    throw new SnapshotError(
      `${name} is a snapshot of etcd, which takes etcd to read, and ${etcd === undefined ? 'etcd' : 'etcdctl'} is not in PATH (on Debian: apt-get install etcd-server etcd-client)`,
    )
  const data = await mkdtemp(join(dir, 'etcd-'))
  // Beside the data, where what a killed process leaves is found again. Either folder is ours alone, and so is what etcd tells.
  const fits = Buffer.byteLength(join(data, socketName)) < longestSocket
  const sockets = fits ? data : await mkdtemp(join(tmpdir(), 'skiff-etcd-'))
  const remove = async () => {
    for (const folder of [data, sockets]) await rm(folder, { recursive: true, force: true })
  }
  let member: Member | undefined
  try {
    await restore(etcdctl, file, name, data, signal)
    member = await startMember(etcd, name, data, sockets, signal)
    const connection = member.connection
    const { header, kvs } = await member.ask<RangeResponse>('KV/Range', { key: Buffer.from(shiftKey) }, startMs)
    const shift = Number(kvs?.[0]?.value?.toString() ?? 0)
    const { stop } = member
    return {
      revision: header.revision + shift,
      entries: () => entries(connection, header.revision, shift),
      async close() {
        await stop()
        await remove()
      },
    }
  } catch (error) {
    await member?.stop()
    await remove()
    throw error
  }
}

async function restore(program: string, file: string, name: string, data: string, signal: AbortSignal): Promise<void> {
  const args = [
    '--name',
    'snapshot',
    '--initial-cluster',
    `snapshot=${nowhere}`,
    '--initial-advertise-peer-urls',
    nowhere,
  ]
  try {
    await exec(...withUs(program, ['snapshot', 'restore', file, '--data-dir', join(data, 'data'), ...args]), {
      env: { ...environment(), ETCDCTL_API: '3' },
      signal,
      killSignal: 'SIGKILL',
      maxBuffer: 16 * 1024 * 1024,
    })
  } catch (error) {
    signal.throwIfAborted()
    const { stderr = '', message } = error as Error & { stderr?: string }
    throw new SnapshotError(`${name} cannot be restored: etcd says ${complaintIn(stderr) ?? message}`)
  }
}

/** The first line of what a program said that is about what went wrong. */
function complaintIn(said: string): string | undefined {
  const lines = said.split('\n').filter(line => line.trim() !== '')
  return (lines.find(line => /^(Error|panic|fatal)/i.test(line)) ?? lines.at(-1))?.slice(0, 300)
}

interface Member {
  readonly connection: Connection
  ask<Answer>(method: string, request: object, limitMs: number): Promise<Answer>
  stop(): Promise<void>
}

async function startMember(
  program: string,
  name: string,
  data: string,
  sockets: string,
  signal: AbortSignal,
): Promise<Member> {
  const args = [
    ...['--name', 'snapshot', '--data-dir', join(data, 'data'), '--initial-cluster', `snapshot=${nowhere}`],
    ...['--listen-client-urls', `unix://${socketName}`, '--advertise-client-urls', nowhere],
    ...['--listen-peer-urls', 'unix://peer:1', '--initial-advertise-peer-urls', nowhere],
    // Nothing of it has to outlive us.
    ...['--unsafe-no-fsync', '--logger', 'zap', '--log-level', 'warn'],
    ...['--heartbeat-interval', '10', '--election-timeout', '100'],
  ]
  const [command, all] = withUs(program, args)
  const child = spawn(command, all, { cwd: sockets, stdio: ['ignore', 'ignore', 'pipe'], env: environment() })
  let said = ''
  child.stderr.on('data', (text: Buffer) => {
    said = (said + text).slice(-8000)
  })
  const ended = endOf(child)
  const connection = new Connection({ endpoints: [`unix://${join(sockets, socketName)}`], clock: systemClock })
  const gone = ended.then(() => {
    signal.throwIfAborted()
    throw new SnapshotError(
      `${name} cannot be restored: etcd does not start from it: ${complaintIn(said) ?? 'no reason'}`,
    )
  })
  gone.catch(() => undefined)
  return {
    connection,
    ask: (method, request, limitMs) =>
      Promise.race([connection.call(method, request, { limitMs, signal }), gone]) as never,
    async stop() {
      connection.close()
      child.kill('SIGKILL')
      await ended
    },
  }
}

const endOf = (child: ChildProcess): Promise<void> =>
  new Promise(resolve => {
    child.once('close', () => resolve())
    child.once('error', () => resolve())
  })

/** The kernel ends the program when this process dies without a word. */
const withUs = (program: string, args: readonly string[]): [string, string[]] => [
  'setpriv',
  ['--pdeathsig', 'KILL', program, ...args],
]

const environment = () => ({ PATH: process.env.PATH })

/** What etcd and we keep for ourselves is not the cluster's. */
const ours = new Set([compactionKey, shiftKey])

async function* entries(connection: Connection, revision: Revision, shift: number): AsyncGenerator<Entry> {
  let key: Buffer = Buffer.of(0)
  for (let [more, limit] = [true, pageKeys.first]; more; ) {
    const request = { key, rangeEnd: Buffer.of(0), revision, limit, serializable: true }
    const { kvs = [], more: further = false } = await connection.call<RangeResponse>('KV/Range', request, {
      limitMs: answerMs,
    })
    let bytes = 1
    for (const kv of kvs) {
      const entry = entryOf(kv)
      bytes += entry.value.length
      if (ours.has(entry.key)) continue
      yield { ...entry, revision: entry.revision + shift, createRevision: entry.createRevision + shift }
    }
    limit = Math.min(pageKeys.most, Math.max(1, Math.floor((pageBytes * kvs.length) / bytes)))
    more = further && kvs.length > 0
    if (more) key = Buffer.concat([kvs.at(-1)!.key, Buffer.of(0)])
  }
}
