import { expect, test } from '@jest/globals'
import { createLogger } from './log.ts'
import { Stages } from './stages.ts'

test('what was started last stops first, and one that fails does not keep the others', async () => {
  const stopped: string[] = []
  const lines: string[] = []
  const stream = { write: (line: string) => lines.push(line) > 0 } as unknown as NodeJS.WritableStream
  const stages = new Stages(createLogger({ debug: false, stream, pretty: false }))
  stages.started('first', () => void stopped.push('first'))
  stages.started('broken', () => Promise.reject(new Error('stuck')))
  stages.started('last', async () => void stopped.push('last'))
  await stages.stop()
  expect(stopped).toEqual(['last', 'first'])
  expect(lines.map(line => JSON.parse(line))).toMatchObject([{ level: 50, stage: 'broken', err: { message: 'stuck' } }])
  await stages.stop()
  expect(stopped).toHaveLength(2)
})

test('what starts while everything stops is stopped at once, and the start ends there', async () => {
  const stopped: string[] = []
  const stream = { write: () => true } as unknown as NodeJS.WritableStream
  const stages = new Stages(createLogger({ debug: false, stream, pretty: false }))
  stages.started('early', () => void stopped.push('early'))
  await stages.stop()
  expect(() => stages.started('late', () => void stopped.push('late'))).toThrow('stopped before late was in use')
  await stages.stop()
  expect(stopped).toEqual(['early', 'late'])
})

test('one that never stops is named and left behind', async () => {
  const stopped: string[] = []
  const lines: string[] = []
  const stream = { write: (line: string) => lines.push(line) > 0 } as unknown as NodeJS.WritableStream
  const stages = new Stages(createLogger({ debug: false, stream, pretty: false }), 5)
  stages.started('first', () => void stopped.push('first'))
  stages.started('stuck', () => new Promise(() => {}))
  await stages.stop()
  expect(stopped).toEqual(['first'])
  expect(lines.map(line => JSON.parse(line))).toMatchObject([{ level: 50, stage: 'stuck' }])
})
