/** Reads a container's log file for `kubectl logs`, with all of its options. */
import { watch } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { type LineFilter, renderLine } from './line.ts'

export interface LogOptions extends LineFilter {
  readonly follow?: boolean | undefined
  readonly tailLines?: number | undefined
  readonly limitBytes?: number | undefined
}

const chunkBytes = 64 * 1024
const newline = 0x0a

/**
 * Yields rendered text. With `follow` it goes on until `ended` (aborted when the container has ended) and everything is
 * read, or `signal` aborts; a rotated file is read to its end and followed by its successor.
 */
export async function* readLog(
  path: string,
  options: LogOptions,
  ended: AbortSignal,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const changes = options.follow ? new Changes(path, AbortSignal.any([signal, ended])) : undefined
  let file = await open(path, 'r')
  try {
    let position = options.tailLines === undefined ? 0 : await tailPosition(file, options.tailLines)
    let left = options.limitBytes ?? Number.POSITIVE_INFINITY
    let rest: Buffer = Buffer.alloc(0)
    while (!signal.aborted && left > 0) {
      const wasEnded = ended.aborted
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(chunkBytes), 0, chunkBytes, position)
      position += bytesRead
      if (bytesRead > 0) {
        const data = Buffer.concat([rest, buffer.subarray(0, bytesRead)])
        const end = data.lastIndexOf(newline) + 1
        rest = Buffer.from(data.subarray(end))
        const text = renderLines(data.subarray(0, end), options).subarray(0, left)
        left -= text.length
        if (text.length > 0) yield text
        continue
      }
      if (!changes) return
      const successor = await replaced(path, file)
      if (successor) {
        await file.close()
        file = successor
        position = 0
      } else if (wasEnded) return
      else await changes.next()
    }
  } finally {
    changes?.close()
    await file.close()
  }
}

function renderLines(data: Buffer, filter: LineFilter): Buffer {
  const parts: Buffer[] = []
  for (let start = 0; start < data.length; ) {
    const end = data.indexOf(newline, start)
    parts.push(renderLine(data.subarray(start, end), filter))
    start = end + 1
  }
  return Buffer.concat(parts)
}

/** Where the last `lines` lines begin. */
async function tailPosition(file: FileHandle, lines: number): Promise<number> {
  const { size } = await file.stat()
  let found = 0
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - chunkBytes)
    const { buffer } = await file.read(Buffer.alloc(end - start), 0, end - start, start)
    for (let index = buffer.length - 1; index >= 0; index--) {
      if (buffer[index] !== newline || start + index === size - 1) continue
      found++
      if (found === lines) return start + index + 1
    }
    end = start
  }
  return lines === 0 ? size : 0
}

/** The file now at `path` if it is another one than `file`. */
async function replaced(path: string, file: FileHandle): Promise<FileHandle | undefined> {
  const [now, old] = await Promise.all([stat(path).catch(() => undefined), file.stat()])
  return now && now.ino !== old.ino ? open(path, 'r').catch(() => undefined) : undefined
}

/** Turns directory events into something to wait for; an event between two waits is not lost. */
class Changes {
  readonly #watcher
  #pending = false
  #resolve: (() => void) | undefined

  constructor(path: string, signal: AbortSignal) {
    const name = basename(path)
    this.#watcher = watch(dirname(path), { persistent: false }, (_, changed) => {
      if (changed === name) this.#notify()
    })
    this.#watcher.on('error', () => this.#notify())
    signal.addEventListener('abort', () => this.#notify(), { once: true })
  }

  /** Resolves after the next change of the file, or when the signal aborts. */
  next(): Promise<void> {
    if (this.#pending) {
      this.#pending = false
      return Promise.resolve()
    }
    return new Promise(resolve => {
      this.#resolve = () => {
        this.#pending = false
        resolve()
      }
    })
  }

  close(): void {
    this.#watcher.close()
  }

  #notify(): void {
    this.#pending = true
    const resolve = this.#resolve
    this.#resolve = undefined
    resolve?.()
  }
}
