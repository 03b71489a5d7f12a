import { expect, test } from '@jest/globals'
import { type Runtime, RuntimeError, runtimeCode } from '../runtime.ts'
import { settleExit } from './observe.ts'

/** A runtime that reports one state after the other, the last for ever; undefined: no such container. */
function runtimeOf(states: (string | undefined)[], sandbox?: string[]) {
  const asked = { times: 0 }
  const gone = () => Promise.reject(new RuntimeError('gone', runtimeCode.notFound))
  const next = (list: (string | undefined)[]) => (list.length > 1 ? list.shift() : list[0])
  const runtime = {
    containerStatus() {
      asked.times++
      const state = next(states)
      return state === undefined ? gone() : Promise.resolve({ state })
    },
    podSandboxStatus() {
      const state = sandbox === undefined ? undefined : next(sandbox)
      return state === undefined ? gone() : Promise.resolve({ state })
    },
  } as unknown as Runtime
  return { runtime, asked }
}

test.each<[string, (string | undefined)[], string[] | undefined, number]>([
  ['an exit that is recorded already', ['CONTAINER_EXITED'], undefined, 1],
  [
    'one announced before the start is recorded',
    ['CONTAINER_CREATED', 'CONTAINER_RUNNING', 'CONTAINER_EXITED'],
    undefined,
    3,
  ],
  ['one that is recorded late', [...Array(8).fill('CONTAINER_RUNNING'), 'CONTAINER_EXITED'], undefined, 9],
  ['a container that was removed meanwhile', ['CONTAINER_RUNNING', undefined], undefined, 2],
  ['a sandbox', [undefined], ['SANDBOX_READY', 'SANDBOX_NOTREADY'], 2],
])('waits for the end of %s', async (_, states, sandbox, times) => {
  const { runtime, asked } = runtimeOf(states, sandbox)
  await settleExit(runtime, 'id')
  expect(asked.times).toBe(times)
})
