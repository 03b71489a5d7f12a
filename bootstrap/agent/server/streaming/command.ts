/** exec and attach: joins the client's streams with those of the runtime's streaming server. */

import type { Readable, Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { failure, type Status } from '../../../api/errors.ts'
import { commandStreamTypes } from '../../../streaming/spdy/command-streams.ts'
import type { SpdySession } from '../../../streaming/spdy/session.ts'
import type { StreamFlags, StreamSet } from '../../../streaming/stream-set.ts'

/** What is spoken with the runtime: the newest version every containerd knows. */
export const runtimeProtocol = 'v4.channel.k8s.io'
const maxReportBytes = 1024 * 1024

/** The streams named by a kubelet's query. Throws when there is none. */
export function streamFlags(query: URLSearchParams): StreamFlags {
  const given = (name: string) => query.get(name) === '1'
  const tty = given('tty')
  const flags = { stdin: given('input'), stdout: given('output'), stderr: given('error') && !tty, tty }
  if (!flags.stdin && !flags.stdout && !flags.stderr) {
    throw new Error('you must specify at least 1 of stdin, stdout, stderr')
  }
  return flags
}

/** Resolves once the command has ended and the client has been told, or the client is gone. Closes both sides. */
export async function joinCommand(client: StreamSet, runtime: SpdySession, flags: StreamFlags): Promise<void> {
  const leave = () => runtime.close()
  if (client.closed.aborted) leave()
  client.closed.addEventListener('abort', leave, { once: true })
  let status: Status
  try {
    status = await run(client, runtime, flags)
  } catch (error) {
    status = lost((error as Error).message)
  }
  client.closed.removeEventListener('abort', leave)
  client.finish(status)
  runtime.close()
}

async function run(client: StreamSet, runtime: SpdySession, flags: StreamFlags): Promise<Status> {
  const types = commandStreamTypes(flags, runtimeProtocol)
  const opened = await Promise.all(types.map(streamtype => runtime.open({ streamtype })))
  const stream = (type: string) => opened[types.indexOf(type)]
  const [stdin, resize] = [stream('stdin'), stream('resize')]
  if (stdin) client.stdin?.pipe(stdin)
  if (resize) client.resize?.pipe(resize)
  const report = readReport(stream('error')!)
  await Promise.all([copy(stream('stdout'), client.stdout), copy(stream('stderr'), client.stderr)])
  return report
}

/** Resolves when the sink has taken everything; a sink that goes away does not hold the source up. */
async function copy(source: Readable | undefined, sink: Writable | undefined): Promise<void> {
  if (!source || !sink) return
  source.pipe(sink)
  sink.once('close', () => source.resume())
  await finished(sink, { readable: false }).catch(() => undefined)
}

/**
 * What the runtime says about the command's end. containerd 1.6 may never end that stream when the command left input unread,
 * so a whole Status is the end as well.
 */
async function readReport(source: Readable): Promise<Status> {
  let report = Buffer.alloc(0)
  for await (const chunk of source as AsyncIterable<Buffer>) {
    if (report.length + chunk.length <= maxReportBytes) report = Buffer.concat([report, chunk])
    const status = statusOf(report)
    if (status) return status
  }
  return lost(report.length === 0 ? 'the container runtime closed the connection' : report.toString())
}

function statusOf(report: Buffer): Status | undefined {
  try {
    const status = JSON.parse(report.toString()) as Partial<Status>
    return status.status === 'Success' || status.status === 'Failure' ? (status as Status) : undefined
  } catch {
    return undefined
  }
}

function lost(why: string): Status {
  return failure(500, 'InternalError', `Internal error occurred: error executing command in container: ${why}`).status
}
