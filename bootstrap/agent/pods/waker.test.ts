import { expect, test } from '@jest/globals'
import { FakeClock, turns } from '../../client/testing/fake-clock.ts'
import { Waker } from './waker.ts'

const make = () => {
  const clock = new FakeClock()
  const end = new AbortController()
  const waker = new Waker(clock, end.signal)
  const sleep = async (until?: number) => {
    const state = { awake: false }
    void waker.sleep(until).then(() => {
      state.awake = true
    })
    await turns()
    return state
  }
  return { clock, end, waker, sleep }
}

test('sleeps until woken, and leaves no timer behind', async () => {
  const { clock, waker, sleep } = make()
  const state = await sleep(clock.now() + 1000)
  expect(state.awake).toBe(false)
  waker.wake()
  await turns()
  expect([state.awake, clock.pending]).toEqual([true, 0])
})

test('sleeps until its time', async () => {
  const { clock, sleep } = make()
  const state = await sleep(clock.now() + 1000)
  await clock.advance(1000)
  expect(state.awake).toBe(true)
})

test('a wake before the sleep counts until it is reset', async () => {
  const { waker, sleep } = make()
  waker.wake()
  expect((await sleep()).awake).toBe(true)
  waker.reset()
  expect((await sleep()).awake).toBe(false)
})

test('the end of everything wakes', async () => {
  const { end, sleep } = make()
  const state = await sleep()
  end.abort()
  await turns()
  expect(state.awake).toBe(true)
})
