import { expect, test } from '@jest/globals'
import { SharedQuestion } from './shared-question.ts'

/** A question whose answers the test gives one by one. */
function asked() {
  const put: PromiseWithResolvers<number>[] = []
  const question = new SharedQuestion(() => {
    const answer = Promise.withResolvers<number>()
    put.push(answer)
    return answer.promise
  })
  return { put, question }
}

test('who asks while a question is under way shares the next one', async () => {
  const { put, question } = asked()
  const first = question.ask()
  const [second, third] = [question.ask(), question.ask()]
  expect(put).toHaveLength(1)
  put[0]!.resolve(1)
  expect(await first).toBe(1)
  await Promise.resolve()
  expect(put).toHaveLength(2)
  put[1]!.resolve(2)
  expect(await Promise.all([second, third])).toEqual([2, 2])
  const fourth = question.ask()
  expect(put).toHaveLength(3)
  put[2]!.resolve(3)
  expect(await fourth).toBe(3)
})

test('a question that fails holds the next one up no longer', async () => {
  const { put, question } = asked()
  const first = question.ask()
  const second = question.ask()
  put[0]!.reject(new Error('away'))
  await expect(first).rejects.toThrow('away')
  await Promise.resolve()
  put[1]!.resolve(2)
  expect(await second).toBe(2)
})
