/** What a container says about its end: its termination log, or the tail of its output. */
import { open } from 'node:fs/promises'

const maximumMessage = 4096
const maximumLogTail = 2048
const maximumLogLines = 80

/** `policy` is the container's terminationMessagePolicy; failed containers may fall back to their log. */
export async function terminationMessage(
  messageFile: string,
  logFile: string,
  policy: string | undefined,
  exitCode: number,
): Promise<string> {
  const message = await readEnd(messageFile, maximumMessage)
  if (message !== '' || policy !== 'FallbackToLogsOnError' || exitCode === 0) return message
  return logTail(await readEnd(logFile, maximumLogTail * 4))
}

/** The last lines of a CRI log without their time and stream columns. */
export function logTail(log: string): string {
  const lines = log.split('\n').filter(line => line !== '')
  const texts = lines.slice(-maximumLogLines).map(line => {
    const [, , tag, ...text] = line.split(' ')
    return `${text.join(' ')}${tag === 'P' ? '' : '\n'}`
  })
  return texts.join('').slice(-maximumLogTail)
}

async function readEnd(path: string, bytes: number): Promise<string> {
  const file = await open(path, 'r').catch(() => undefined)
  if (!file) return ''
  try {
    const { size } = await file.stat()
    const length = Math.min(size, bytes)
    const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length)
    return buffer.toString('utf8')
  } finally {
    await file.close()
  }
}
