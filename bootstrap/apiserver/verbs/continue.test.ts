import { describe, expect, test } from '@jest/globals'
import { decodeContinue, encodeContinue } from './continue.ts'

const prefix = '/registry/core/pods/'
const encoded = (token: object) => Buffer.from(JSON.stringify(token)).toString('base64url')

test.each([[{ revision: 7, after: `${prefix}ns/a` }], [{ revision: undefined, after: `${prefix}ns/a` }]])(
  '%j survives',
  token => {
    expect(decodeContinue(encodeContinue(token, prefix), prefix)).toEqual(token)
  },
)

test("is unpadded base64url of upstream's form", () => {
  const text = encodeContinue({ revision: 7, after: `${prefix}ns/a` }, prefix)
  expect(text).not.toMatch(/[+/=]/)
  expect(JSON.parse(Buffer.from(text, 'base64url').toString())).toEqual({
    v: 'meta.k8s.io/v1',
    rv: 7,
    start: 'ns/a\u0000',
  })
})

describe('refuses', () => {
  test.each([
    ['nonsense', 'x'],
    ['another version', encoded({ v: 'v2', rv: 1, start: 'a\u0000' })],
    ['revision 0', encoded({ v: 'meta.k8s.io/v1', rv: 0, start: 'a\u0000' })],
    ['no start', encoded({ v: 'meta.k8s.io/v1', rv: 1 })],
    ['a path out of the range', encoded({ v: 'meta.k8s.io/v1', rv: 1, start: '../secrets/a\u0000' })],
  ])('%s', (_, text) => {
    expect(() => decodeContinue(text, prefix)).toThrow(/^continue key is not valid/)
  })
})
