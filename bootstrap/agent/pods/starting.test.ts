import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { PodRun } from './pod-run.ts'
import type { PodServices } from './services.ts'
import { createSandbox } from './starting.ts'
import { testPod } from './testing.ts'

let folder: string
let events: string[]
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'skiff-starting-'))
  events = []
})
afterEach(() => rm(folder, { recursive: true }))

/** Of a node on which a part of making a pod fails. */
function runOn({ directory = folder, cgroups = async () => {} }): PodRun {
  const services = {
    networkReady: () => true,
    hostIps: () => [],
    runtimeOf: () => ({}),
    volumes: { podDirectory: () => directory, mount: async () => new Map() },
    cgroups: { apply: cgroups },
    nodeLimits: { cpu: 2000, memory: 1e9 },
    events: {
      pod: (_pod: unknown, type: string, reason: string, text: string) => events.push(`${type} ${reason}: ${text}`),
    },
  }
  return new PodRun(testPod(), services as unknown as PodServices)
}
const create = (run: PodRun) => createSandbox(run, 0, AbortSignal.abort(), () => {})

test('a cgroup that cannot be made is told of', async () => {
  const cgroups = () => Promise.reject(new Error('EROFS: read-only file system'))
  await expect(create(runOn({ cgroups }))).rejects.toThrow('EROFS')
  expect(events).toEqual([
    'Warning FailedCreatePodContainer: unable to ensure pod container exists: failed to create container for /kubepods/besteffort/podu : EROFS: read-only file system',
  ])
})

test('so is a folder', async () => {
  await writeFile(join(folder, 'file'), '')
  await expect(create(runOn({ directory: join(folder, 'file/pod') }))).rejects.toThrow('ENOTDIR')
  expect(events).toEqual([expect.stringContaining('Warning Failed: error making pod data directories: ENOTDIR')])
})
