import { expect, test } from '@jest/globals'
import { createLogger, humanLine } from './log.ts'

test('a terminal gets readable lines', () => {
  const line = JSON.stringify({
    level: 40,
    time: '2026-01-02T03:04:05.678Z',
    component: 'agent',
    pod: 'a/b',
    count: 2,
    msg: 'slow',
  })
  expect(humanLine(line)).toBe('03:04:05.678 WARN  agent: slow pod=a/b count=2\n')
})

test('an error brings its trace along', () => {
  const line = JSON.stringify({
    level: 50,
    time: '2026-01-02T03:04:05.678Z',
    msg: 'broken',
    err: { stack: 'Error: x\n at y' },
  })
  expect(humanLine(line)).toBe('03:04:05.678 ERROR broken\nError: x\n at y\n')
})

test.each([
  [true, ['debugging', 'running']],
  [false, ['running']],
])('debug %s', (debug, expected) => {
  const lines: string[] = []
  const stream = { write: (line: string) => lines.push(line) > 0 } as unknown as NodeJS.WritableStream
  const log = createLogger({ debug, stream, pretty: false })
  log.debug({}, 'debugging')
  log.info({}, 'running')
  expect(lines.map(line => JSON.parse(line).msg)).toEqual(expected)
})
