import { describe, expect, test } from '@jest/globals'
import { negotiate } from './negotiate.ts'

const ask = (accept: string | undefined, query = '', agent = 'kubectl', tables = true) =>
  negotiate({ headers: { accept, 'user-agent': agent }, query: new URLSearchParams(query) }, tables)

const kubectlTable =
  'application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json'

describe('negotiate', () => {
  test.each([
    [undefined, 'json', undefined, 'v1'],
    ['*/*', 'json', undefined, 'v1'],
    ['application/json', 'json', undefined, 'v1'],
    ['application/yaml', 'yaml', undefined, 'v1'],
    ['application/json;q=0.5,application/yaml', 'yaml', undefined, 'v1'],
    ['application/vnd.kubernetes.protobuf, */*', 'json', undefined, 'v1'],
    [kubectlTable, 'json', 'Table', 'v1'],
    ['application/json;as=Table;v=v2;g=meta.k8s.io,application/json', 'json', undefined, 'v1'],
    ['application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1beta1', 'json', 'PartialObjectMetadata', 'v1beta1'],
  ])('%s', (accept, format, as, asVersion) => {
    expect(ask(accept)).toMatchObject({ format, as, asVersion })
  })

  test.each([['text/html'], ['application/vnd.kubernetes.protobuf'], ['application/json;as=Foo;v=v1;g=meta.k8s.io']])(
    '%s is not acceptable',
    accept => {
      expect(() => ask(accept)).toThrow('only the following media types are accepted: application/json')
    },
  )

  test('resources without tables fall through to the next clause, or fail', () => {
    expect(ask(kubectlTable, '', 'kubectl', false).as).toBeUndefined()
    expect(() => ask('application/json;as=Table;v=v1;g=meta.k8s.io', '', 'kubectl', false)).toThrow()
  })

  test.each([
    ['', 'kubectl', false],
    ['', 'curl/8', true],
    ['pretty=0', 'curl/8', false],
    ['pretty=true', 'kubectl', true],
  ])('pretty: query %p from %s is %p', (query, agent, pretty) => {
    expect(ask('application/json', query, agent).pretty).toBe(pretty)
  })
})
