/**
 * Constant requests from outside the cluster, as a load balancer in front of it sends them: one every so often to each
 * address in turn, each over a connection of its own, whether earlier ones are answered or not.
 */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { get } from 'node:http'
import type { Network } from './network.ts'

export interface Lost {
  readonly url: string
  /** ISO 8601. */
  readonly at: string
  readonly afterMs: number
  readonly why: string
}

export interface RequestReport {
  readonly sent: number
  readonly slowestMs: number
  readonly lost: readonly Lost[]
}

const patienceMs = 10_000

/** Starts them on the outside machine of the network; the returned function ends them and tells how they fared. */
export function startRequests(network: Network, urls: readonly string[], everyMs = 50): () => Promise<RequestReport> {
  const command = [process.execPath, '--disable-warning=ExperimentalWarning', import.meta.filename]
  const child: ChildProcess = network.spawn([...command, String(everyMs), ...urls], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout!.on('data', data => (output += data))
  return async () => {
    const ended = once(child, 'close')
    child.stdin!.end()
    await ended
    return JSON.parse(output) as RequestReport
  }
}

async function send(url: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const request = get(url, { agent: false, timeout: patienceMs }, response => {
      response.on('error', reject)
      response.on('end', () =>
        response.statusCode === 200 ? resolve() : reject(new Error(`status ${response.statusCode}`)),
      )
      response.resume()
    })
    request.on('timeout', () => request.destroy(new Error(`no answer within ${patienceMs} ms`)))
    request.on('error', reject)
  })
}

async function main([everyMs, ...urls]: readonly string[]): Promise<void> {
  const lost: Lost[] = []
  const waiting = new Set<Promise<void>>()
  let [sent, slowestMs] = [0, 0]
  const one = async (url: string) => {
    const [began, at] = [performance.now(), new Date().toISOString()]
    const afterMs = () => Math.round(performance.now() - began)
    await send(url).catch((error: Error) => lost.push({ url, at, afterMs: afterMs(), why: error.message }))
    slowestMs = Math.max(slowestMs, afterMs())
  }
  const timer = setInterval(() => {
    const request = one(urls[sent++ % urls.length]!).finally(() => waiting.delete(request))
    waiting.add(request)
  }, Number(everyMs))
  process.stdin.resume()
  await once(process.stdin, 'end')
  clearInterval(timer)
  await Promise.all(waiting)
  process.stdout.write(JSON.stringify({ sent, slowestMs, lost } satisfies RequestReport))
}

if (process.argv[1] === import.meta.filename) await main(process.argv.slice(2))
