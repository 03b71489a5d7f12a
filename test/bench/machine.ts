/** What the figures were measured on. */
import { execFileSync } from 'node:child_process'
import { closeSync, fsyncSync, openSync, rmSync, writeSync } from 'node:fs'
import { cpus, loadavg, release, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { median, repeat, timed } from './measure.ts'

export async function machineFacts(): Promise<string[]> {
  const processors = cpus()
  const memory = Math.round(totalmem() / 2 ** 30)
  return [
    `machine   ${processors.length} x ${processors[0]?.model.trim()}, ${memory} GB, Linux ${release()}`,
    `load      ${loadavg()
      .map(load => load.toFixed(2))
      .join(' ')} (1, 5, 15 minutes)`,
    `disk      one durable write of 4 KB in ${tmpdir()}: ${(await durableWriteMs()).toFixed(2)} ms`,
    `programs  Node ${process.version}, ${firstLine('containerd', '--version').split(' ').slice(0, 3).join(' ')}`,
    `skiff     ${firstLine('git', 'describe', '--always', '--dirty')}`,
  ]
}

/** The median of a write with fsync. */
async function durableWriteMs(): Promise<number> {
  const path = join(tmpdir(), `skiff-bench-${process.pid}`)
  const file = openSync(path, 'w')
  const block = Buffer.alloc(4096, 'x')
  const times = await repeat(50, () =>
    timed(() => {
      writeSync(file, block)
      fsyncSync(file)
    }),
  )
  closeSync(file)
  rmSync(path)
  return median(times)
}

function firstLine(program: string, ...args: string[]): string {
  try {
    return execFileSync(program, args, { encoding: 'utf8', cwd: import.meta.dirname }).split('\n')[0]!
  } catch {
    return `no ${program}`
  }
}
