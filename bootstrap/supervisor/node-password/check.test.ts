import { afterEach, beforeEach, expect, test } from '@jest/globals'
import type { ApiRequest } from '../../apiserver/http/message.ts'
import { events, secrets } from '../../client/resources.ts'
import { FakeClock } from '../../client/testing/fake-clock.ts'
import { MemoryClient } from '../../client/testing/memory-client.ts'
import { nodeCheck } from './check.ts'

const user = { name: 'node', uid: 'node', groups: ['k3s:agent'], extra: {} }
const request = { headers: { 'k3s-node-name': 'web', 'k3s-node-password': 'p' } } as unknown as ApiRequest
const log = { info: () => {}, warn: () => {} }

let clock: FakeClock
let api: MemoryClient
let stop: AbortController
beforeEach(() => {
  clock = new FakeClock()
  api = new MemoryClient()
  stop = new AbortController()
})
afterEach(() => stop.abort())

const check = (client: () => MemoryClient | undefined = () => api) =>
  nodeCheck({ client, nodeExists: () => true, clock, log, signal: stop.signal })

const reasons = async () => (await api.list(events)).items.map(({ reason, involvedObject }) => [reason, involvedObject])

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise(resolve => setTimeout(resolve, 5))
}

test('while the API does not serve nobody can be checked', async () => {
  expect(await check(() => undefined)(request, user)).toEqual({
    allowed: false,
    code: 503,
    message: 'runtime core not ready',
  })
})

test('what cannot be stored is checked again until it can, and the node is told', async () => {
  let down = true
  api.before = ({ verb, resource }) => {
    if (down && verb === 'create' && resource === 'secrets') throw new Error('webhook down')
  }
  const validate = check()
  expect(await validate(request, user)).toEqual({ allowed: true, node: 'web' })
  expect(await validate(request, user)).toEqual({ allowed: true, node: 'web' })
  const node = { kind: 'Node', name: 'web', uid: 'web' }
  await until(async () => clock.pending === 1)
  expect(await reasons()).toEqual([['NodePasswordValidationFailed', node]])
  down = false
  await clock.advance(5000)
  await until(async () => (await reasons()).length === 2)
  expect((await reasons())[1]).toEqual(['NodePasswordValidationComplete', node])
  expect((await api.list(secrets)).items).toHaveLength(1)
  expect(clock.pending).toBe(0)
})

test('a wrong password that was let in meanwhile is reported once', async () => {
  expect(await check()(request, user)).toEqual({ allowed: true, node: 'web' })
  let down = true
  api.before = ({ verb, resource }) => {
    if (down && verb === 'get' && resource === 'secrets') throw new Error('datastore down')
  }
  const other = { headers: { ...request.headers, 'k3s-node-password': 'q' } } as unknown as ApiRequest
  expect((await check()(other, user)).allowed).toBe(true)
  await until(async () => clock.pending === 1)
  down = false
  await clock.advance(5000)
  await until(async () => (await reasons()).length === 2)
  expect(clock.pending).toBe(0)
  expect((await check()(other, user)).allowed).toBe(false)
})
