import { expect, test } from '@jest/globals'
import type { ApiRequest, ApiResponse } from '../apiserver/http/message.ts'
import { answeredRoutes, type RouteAnswer } from './answered.ts'

const logged: string[] = []
const hiding = { log: { error: (_: object, message: string) => void logged.push(message) }, random: () => 0.5 }

function post(body: string, method = 'POST'): ApiRequest {
  return {
    method,
    path: '/db/snapshot',
    query: new URLSearchParams(),
    headers: {},
    body: async () => Buffer.from(body),
    signal: new AbortController().signal,
    remoteAddress: '127.0.0.1',
  }
}

async function asked(
  answer: RouteAnswer | Error | undefined,
  method?: string,
): Promise<ApiResponse & { text: string }> {
  const routes = answeredRoutes()
  if (answer)
    routes.answer('/db/snapshot', async body => {
      expect(String(body)).toBe('{"operation":"list"}')
      if (answer instanceof Error) throw answer
      return answer
    })
  const response = await routes.respond('/db/snapshot', post('{"operation":"list"}', method), hiding)
  return { ...response, text: String(response.body) }
}

test('an object comes as JSON, with headers of its own', async () => {
  const { status, headers, text } = await asked({ status: 200, body: { created: ['a'] }, headers: { warning: '299' } })
  expect([status, headers['content-type'], headers.warning]).toEqual([200, 'application/json', '299'])
  expect(JSON.parse(text)).toEqual({ created: ['a'] })
})

test('a text comes as it is, a refusal as a Status', async () => {
  expect(await asked({ status: 200, body: 'well' })).toMatchObject({ status: 200, text: 'well' })
  const { status, text } = await asked({ status: 400, body: 'no such bucket' })
  expect(status).toBe(400)
  expect(JSON.parse(text)).toMatchObject({ kind: 'Status', code: 400, reason: 'BadRequest', message: 'no such bucket' })
})

test('before there is somebody to answer, and by other methods, it is refused', async () => {
  expect(await asked(undefined)).toMatchObject({ status: 503 })
  expect(await asked({ status: 200, body: '' }, 'GET')).toMatchObject({ status: 405 })
})

test('what fails is told by a number only', async () => {
  const { status, text } = await asked(new Error('secret'))
  expect(status).toBe(500)
  expect(text).toContain('etcd-snapshot error ID 49999')
  expect(text).not.toContain('secret')
  expect(logged).toEqual(['etcd-snapshot error ID 49999: secret'])
})
