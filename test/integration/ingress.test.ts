import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { hasHaproxy, IngressBed } from './ingress-fixture.ts'

const suite = hasHaproxy ? describe : describe.skip
const to = (name: string, port: unknown = { number: 80 }) => ({ service: { name, port } })
const path = (value: string, name: string, pathType = 'Prefix') => ({ path: value, pathType, backend: to(name) })

suite('Ingress by the real HAProxy', () => {
  let bed: IngressBed

  beforeAll(async () => {
    bed = await IngressBed.start()
    for (const name of ['root', 'foo', 'exact', 'wild', 'any']) await bed.backend(name)
  })
  afterAll(() => bed.stop())

  test('routes by host and path: exact before prefix, longer before shorter, whole elements', async () => {
    await bed.ingress('paths', {
      rules: [
        {
          host: 'example.com',
          http: { paths: [path('/', 'root'), path('/foo', 'foo'), path('/foo', 'exact', 'Exact')] },
        },
        { host: '*.example.com', http: { paths: [path('/', 'wild')] } },
        { http: { paths: [path('/any', 'any')] } },
      ],
    })
    await bed.untilStatus({}, 200)
    const names: [string, string, string][] = [
      ['example.com', '/', 'root'],
      ['EXAMPLE.com:8080', '/', 'root'],
      ['example.com', '/foo', 'exact'],
      ['example.com', '/foo?x=1', 'exact'],
      ['example.com', '/foo/', 'foo'],
      ['example.com', '/foo/bar', 'foo'],
      ['example.com', '/foobar', 'root'],
      ['example.com', '/bar/../foo/x', 'foo'],
      ['example.com', '//foo/x', 'foo'],
      ['a.example.com', '/x', 'wild'],
      ['other.org', '/any/thing', 'any'],
    ]
    for (const [host, url, name] of names)
      expect([host, url, (await bed.echo({ host, path: url })).name]).toEqual([host, url, name])
    expect(await bed.ask({ host: 'a.b.example.com' })).toMatchObject({ status: 404, body: '404 page not found\n' })
  })
})
