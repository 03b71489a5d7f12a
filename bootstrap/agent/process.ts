/** Running other programs and knowing their processes. */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'

/** Runs a program to its end; rejects with its standard error as the message. */
export function run(program: string, args: readonly string[], options: { timeoutMs?: number } = {}): Promise<string> {
  return new Promise((resolve, reject) =>
    execFile(program, args, { timeout: options.timeoutMs ?? 60_000, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${program}: ${stderr.trim() || error.message}`))
      else resolve(stdout)
    }),
  )
}

/** The process's command line; undefined when there is no such process. */
export async function commandLine(pid: number): Promise<readonly string[] | undefined> {
  try {
    const text = await readFile(`/proc/${pid}/cmdline`, 'utf8')
    return text === '' ? undefined : text.split('\0')
  } catch {
    return undefined
  }
}

/** Sends a signal; false when the process is gone. */
export function signalProcess(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal)
  } catch {
    return false
  }
}
