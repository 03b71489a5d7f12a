/** Log files as CRI runtimes write them: `<RFC 3339 nano> <stream> <F|P> <line>`. */
import { appendFileSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'

/** Appends whole lines to one container's log file; what has no line end yet waits for it, or for close. */
export class ContainerLog {
  readonly #path: string
  readonly #now: () => number
  readonly #rest: { stdout: string; stderr: string } = { stdout: '', stderr: '' }

  constructor(path: string, now: () => number) {
    this.#path = path
    this.#now = now
    mkdirSync(dirname(path), { recursive: true })
  }

  write(stream: 'stdout' | 'stderr', text: string): void {
    const lines = (this.#rest[stream] + text).split('\n')
    this.#rest[stream] = lines.pop()!
    this.#append(stream, lines, 'F')
  }

  close(): void {
    for (const stream of ['stdout', 'stderr'] as const)
      if (this.#rest[stream] !== '') this.#append(stream, [this.#rest[stream]], 'F')
  }

  #append(stream: string, lines: readonly string[], tag: 'F' | 'P'): void {
    if (lines.length === 0) return
    const time = new Date(this.#now()).toISOString().replace('Z', '000000Z')
    appendFileSync(this.#path, lines.map(line => `${time} ${stream} ${tag} ${line}\n`).join(''))
  }
}
