/** Entry of the writer thread: owns the file and answers one call after the other. */
import { parentPort, workerData } from 'node:worker_threads'
import { LogFile } from './log-file.ts'
import type { Answer, Call } from './writer-client.ts'

const port = parentPort!
const log = new LogFile((workerData as { file: string }).file)

port.on('message', async ({ id, method, args }: Call) => {
  try {
    const result = await (log[method] as (...args: unknown[]) => unknown)(...args)
    answer({ id, result })
  } catch (error) {
    answer({ id, failure: error instanceof Error ? error.message : String(error) })
  }
})

function answer(message: Answer): void {
  const bytes = (message.result as { bytes?: unknown } | undefined)?.bytes
  port.postMessage(message, bytes instanceof ArrayBuffer ? [bytes] : [])
}
