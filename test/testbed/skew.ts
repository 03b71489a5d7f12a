/**
 * The clock of one program, wrong by as much as a test wants. Kernels give a namespace a monotonic clock of its own, never the
 * time of day, so this is libfaketime (Debian's), which works for what asks the C library: Node, so Skiff, but not programs in
 * Go, so neither etcd nor containerd.
 */
import { existsSync, globSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Bed } from './bed.ts'

const [library] = globSync('/usr/lib/*/faketime/libfaketimeMT.so.1')

export const canSkewClocks = library !== undefined && existsSync(library)

/** Sets how many seconds programs of this machine that run with `skewed` are ahead, or behind; while they run, too. */
export function setSkew(bed: Bed, seconds: number): void {
  writeFileSync(join(bed.dir, 'clock'), `${seconds < 0 ? '' : '+'}${seconds}\n`)
}

/** The environment of such a program; its clock is right until it is set. */
export function skewed(bed: Bed): NodeJS.ProcessEnv {
  if (!existsSync(join(bed.dir, 'clock'))) setSkew(bed, 0)
  return {
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: join(bed.dir, 'clock'),
    FAKETIME_CACHE_DURATION: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
  }
}
