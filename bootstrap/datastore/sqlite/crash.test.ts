import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execPath } from 'node:process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, test } from '@jest/globals'
import type { Clock } from '../effects.ts'
import { payloadOf } from './crash-load.ts'
import { openSqlite } from './sqlite.ts'

const frozen: Clock = { now: () => 0, sleep: () => new Promise(() => undefined) }
const program = fileURLToPath(new URL('./crash-load.ts', import.meta.url))
const seed = 20_261_120

interface Acknowledged {
  readonly key: string
  readonly revision: number
  readonly text: string
}

/** Runs the load until `count` writes are acknowledged, kills it, and returns all it acknowledged. */
async function killAfter(file: string, count: number): Promise<Acknowledged[]> {
  const child = spawn(execPath, [program, file], { stdio: ['ignore', 'pipe', 'inherit'] })
  const acknowledged: Acknowledged[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    const [, key, revision, text] = /^(\S+) (\d+) (\S+)$/.exec(line) ?? []
    if (key === undefined || text === undefined) continue
    acknowledged.push({ key, revision: Number(revision), text })
    if (acknowledged.length === count) child.kill('SIGKILL')
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  expect(child.signalCode).toBe('SIGKILL')
  return acknowledged
}

/** All writes the file holds, by revision; half-written values fail the test. */
async function writtenIn(file: string): Promise<{ written: Map<number, string>; newest: number }> {
  const store = await openSqlite({ file, clock: frozen })
  const stop = new AbortController()
  const written = new Map<number, string>()
  const newest = await store.revision()
  for await (const batch of store.watch('/r/', 0, stop.signal)) {
    for (const change of batch.changes) {
      if (change.type === 'delete') written.set(change.revision, `${change.key} -`)
      else {
        const { key, value, revision } = change.entry
        const text = value.toString('utf8', 0, value.indexOf('|'))
        expect(value.equals(payloadOf(text))).toBe(true)
        written.set(revision, `${key} ${text}`)
      }
    }
    if (batch.revision === newest) break
  }
  await store.close()
  return { written, newest }
}

test('kill -9 at any point loses no acknowledged write and leaves no half one', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'skiff-crash-'))
  const file = join(dir, 'state.db')
  let random = seed
  let before = 0
  const all: Acknowledged[] = []
  try {
    for (let round = 0; round < 6; round++) {
      random = (Math.imul(random, 1_664_525) + 1_013_904_223) >>> 0
      const acknowledged = await killAfter(file, 1 + (random % 1500))
      for (const { revision } of acknowledged) expect(revision).toBeGreaterThan(before)
      all.push(...acknowledged)
      const { written, newest } = await writtenIn(file)
      for (const { key, revision, text } of all) expect(written.get(revision)).toBe(`${key} ${text}`)
      expect(written.size).toBe(newest)
      before = newest
    }
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}, 30_000)
