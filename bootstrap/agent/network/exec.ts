/** Running the host's network programs; passed in where they are used, so that tests can watch. */
import { execFile } from 'node:child_process'

/** Runs a program with `input` on its standard input; rejects with its standard error. */
export type Exec = (program: string, args: readonly string[], input?: string) => Promise<string>

export const hostExec: Exec = (program, args, input = '') =>
  new Promise((resolve, reject) => {
    const child = execFile(program, [...args], { timeout: 30_000, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${program} ${args.join(' ')}: ${stderr.trim() || error.message}`))
      else resolve(stdout)
    })
    child.stdin?.on('error', () => undefined) // a program may end without reading; its exit status tells
    child.stdin?.end(input)
  })
