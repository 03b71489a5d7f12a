import { expect, test } from '@jest/globals'
import { openIdRoute } from './documents.ts'
import type { ApiRequest } from './message.ts'

const route = openIdRoute({ openIdConfiguration: () => ({ issuer: 'me' }) as never, jwks: () => ({ keys: [] }) })
const answer = (path: string) => route({ path } as ApiRequest)

test.each([
  ['/.well-known/openid-configuration', 'application/json', '{"issuer":"me"}'],
  ['/.well-known/openid-configuration/', 'application/json', '{"issuer":"me"}'],
  ['/openid/v1/jwks', 'application/jwk-set+json', '{"keys":[]}'],
  ['/openid/v1/jwks/', 'application/jwk-set+json', '{"keys":[]}'],
])('%s says by what tokens are verified', (path, type, text) => {
  const response = answer(path)
  expect(response?.headers?.['content-type']).toBe(type)
  expect(String(response?.body).trim()).toBe(text)
})

test.each(['/', '/openid/v1', '/openid/v1/jwks/x'])('%s is for others', path => {
  expect(answer(path)).toBeUndefined()
})
