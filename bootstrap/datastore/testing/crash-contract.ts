/** What a crash of our own process must not do, for every datastore. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { execPath } from 'node:process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, test } from '@jest/globals'
import type { Datastore } from '../datastore.ts'
import { type Acknowledged, writtenIn } from './crash-load.ts'

const program = fileURLToPath(new URL('./crash-load.ts', import.meta.url))
const seed = 20_261_120
/** Longer than a datastore tries a write again. */
const standstillMs = 60_000

export interface Crashing {
  /** As --datastore-endpoint has it. */
  readonly endpoint: string
  open(): Promise<Datastore>
  destroy(): Promise<void>
}

/** Runs the load until `count` writes are acknowledged, kills it, and returns all it acknowledged. */
async function killAfter(endpoint: string, count: number): Promise<Acknowledged[]> {
  const child = spawn(execPath, [program, endpoint], { stdio: ['ignore', 'pipe', 'inherit'] })
  const acknowledged: Acknowledged[] = []
  // A load that stands still is told as such, with how far it came; the process must not outlive the test.
  let stuck = false
  const standsStill = () => {
    stuck = true
    child.kill('SIGKILL')
  }
  let patience = setTimeout(standsStill, standstillMs)
  for await (const line of createInterface({ input: child.stdout })) {
    const [, key, revision, text] = /^(\S+) (\d+) (\S+)$/.exec(line) ?? []
    if (key === undefined || text === undefined) continue
    acknowledged.push({ key, revision: Number(revision), text })
    clearTimeout(patience)
    patience = setTimeout(standsStill, standstillMs)
    if (acknowledged.length === count) child.kill('SIGKILL')
  }
  clearTimeout(patience)
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  if (stuck)
    throw new Error(`no write was acknowledged for ${standstillMs / 1000} s, after ${acknowledged.length} of ${count}`)
  expect(child.signalCode).toBe('SIGKILL')
  return acknowledged
}

export function crashContract(name: string, start: () => Promise<Crashing>, rounds: number): void {
  test(`${name}: kill -9 at any point loses no acknowledged write and leaves no half one`, async () => {
    const crashing = await start()
    let random = seed
    let before = 0
    const all: Acknowledged[] = []
    try {
      for (let round = 0; round < rounds; round++) {
        random = (Math.imul(random, 1_664_525) + 1_013_904_223) >>> 0
        const acknowledged = await killAfter(crashing.endpoint, 1 + (random % 1500))
        for (const { revision } of acknowledged) expect(revision).toBeGreaterThan(before)
        all.push(...acknowledged)
        const store = await crashing.open()
        const { written, newest } = await writtenIn(store)
        await store.close()
        for (const { key, revision, text } of all) expect(written.get(revision)).toBe(`${key} ${text}`)
        expect(written.size).toBe(newest)
        before = newest
      }
    } finally {
      await crashing.destroy()
    }
    // A busy machine with a slow disk takes a second for a hundred writes.
  }, 300_000)
}
