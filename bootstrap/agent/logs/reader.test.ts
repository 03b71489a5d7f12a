import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { type LogOptions, readLog } from './reader.ts'

let directory = ''
let file = ''
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'skiff-logs-'))
  file = join(directory, '0.log')
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

const line = (second: number, stream: string, tag: string, text: string) =>
  `2026-01-02T03:04:0${second}.000000000Z ${stream} ${tag} ${text}\n`
const lines = [
  line(1, 'stdout', 'F', 'one'),
  line(2, 'stderr', 'P', 'tw'),
  line(2, 'stderr', 'F', 'o'),
  line(3, 'stdout', 'F', ''),
  line(4, 'stdout', 'F', 'four'),
]

async function read(options: LogOptions): Promise<string> {
  let text = ''
  for await (const part of readLog(file, options, AbortSignal.abort(), new AbortController().signal))
    text += part.toString()
  return text
}

test.each<[string, LogOptions, string]>([
  ['everything', {}, 'one\ntwo\n\nfour\n'],
  ['one stream', { stream: 'stderr' }, 'two\n'],
  ['two lines from the end', { tailLines: 2 }, '\nfour\n'],
  ['more lines than there are', { tailLines: 20 }, 'one\ntwo\n\nfour\n'],
  ['no lines', { tailLines: 0 }, ''],
  ['since', { since: Date.parse('2026-01-02T03:04:03Z') }, '\nfour\n'],
  ['at most five bytes', { limitBytes: 5 }, 'one\nt'],
  ['timestamps', { tailLines: 1, timestamps: true }, '2026-01-02T03:04:04.000000000Z four\n'],
])('%s', async (_, options, expected) => {
  writeFileSync(file, lines.join(''))
  expect(await read(options)).toBe(expected)
})

test.each([
  ['2026-01-02T03:04:04.70441623Z', '2026-01-02T03:04:04.704416230Z'],
  ['2026-01-02T03:04:04Z', '2026-01-02T03:04:04.000000000Z'],
  ['2026-01-02T03:04:04.5+01:00', '2026-01-02T03:04:04.500000000+01:00'],
])('the time %s is shown in full', async (written, shown) => {
  writeFileSync(file, `${written} stdout F text\n`)
  expect(await read({ timestamps: true })).toBe(`${shown} text\n`)
})

describe('following', () => {
  test('new lines arrive, across a rotation, until the container has ended', async () => {
    writeFileSync(file, lines[0]!)
    const ended = new AbortController()
    const parts: string[] = []
    const reader = readLog(file, { follow: true }, ended.signal, new AbortController().signal)
    parts.push((await reader.next()).value.toString())
    const second = reader.next()
    appendFileSync(file, line(5, 'stdout', 'F', 'five'))
    parts.push((await second).value.toString())
    const third = reader.next()
    renameSync(file, `${file}.old`)
    writeFileSync(file, line(6, 'stdout', 'F', 'six'))
    parts.push((await third).value.toString())
    ended.abort()
    expect((await reader.next()).done).toBe(true)
    expect(parts).toEqual(['one\n', 'five\n', 'six\n'])
  })

  test('a line is not shown before it is whole', async () => {
    const whole = line(1, 'stdout', 'F', 'slow')
    writeFileSync(file, whole.slice(0, 40))
    const reader = readLog(file, { follow: true }, new AbortController().signal, new AbortController().signal)
    const first = reader.next()
    appendFileSync(file, whole.slice(40))
    expect((await first).value.toString()).toBe('slow\n')
    await reader.return(undefined)
  })
})
