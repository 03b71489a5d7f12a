import { describe, expect, test } from '@jest/globals'
import { requestInfo } from './requestinfo.ts'

const parse = (method: string, url: string) => {
  const parsed = new URL(url, 'http://x')
  return requestInfo(method, parsed.pathname, parsed.searchParams)
}

describe('requestInfo', () => {
  test.each([
    // method, url, verb, group, version, namespace, resource, subresource, name
    ['GET', '/api/v1/namespaces', 'list', '', 'v1', '', 'namespaces', '', ''],
    ['GET', '/api/v1/namespaces/other', 'get', '', 'v1', 'other', 'namespaces', '', 'other'],
    ['PUT', '/api/v1/namespaces/other/finalize', 'update', '', 'v1', 'other', 'namespaces', 'finalize', 'other'],
    ['PATCH', '/api/v1/namespaces/other/status', 'patch', '', 'v1', 'other', 'namespaces', 'status', 'other'],
    ['GET', '/api/v1/namespaces/other/pods', 'list', '', 'v1', 'other', 'pods', '', ''],
    ['GET', '/api/v1/namespaces/other/pods?watch=true', 'watch', '', 'v1', 'other', 'pods', '', ''],
    ['GET', '/api/v1/namespaces/other/pods?watch=false', 'list', '', 'v1', 'other', 'pods', '', ''],
    ['GET', '/api/v1/namespaces/other/pods/foo', 'get', '', 'v1', 'other', 'pods', '', 'foo'],
    ['HEAD', '/api/v1/namespaces/other/pods/foo', 'get', '', 'v1', 'other', 'pods', '', 'foo'],
    ['GET', '/api/v1/pods', 'list', '', 'v1', '', 'pods', '', ''],
    ['POST', '/api/v1/namespaces/other/pods/foo/eviction', 'create', '', 'v1', 'other', 'pods', 'eviction', 'foo'],
    ['GET', '/api/v1/watch/pods', 'watch', '', 'v1', '', 'pods', '', ''],
    ['GET', '/api/v1/watch/namespaces/other/pods/foo', 'watch', '', 'v1', 'other', 'pods', '', 'foo'],
    ['DELETE', '/apis/apps/v1/namespaces/x/deployments', 'deletecollection', 'apps', 'v1', 'x', 'deployments', '', ''],
    ['DELETE', '/apis/apps/v1/namespaces/x/deployments/y', 'delete', 'apps', 'v1', 'x', 'deployments', '', 'y'],
    ['GET', '/api/v1/nodes/n/proxy/metrics', 'get', '', 'v1', '', 'nodes', 'proxy', 'n'],
  ])('%s %s is %s', (method, url, verb, group, version, namespace, resource, subresource, name) => {
    expect(parse(method, url)).toMatchObject({
      isResource: true,
      verb,
      group,
      version,
      namespace,
      resource,
      subresource,
      name,
    })
  })

  test.each([
    ['GET', '/'],
    ['GET', '/version'],
    ['GET', '/api/v1'],
    ['GET', '/apis/apps/v1'],
    ['POST', '/healthz/ping/x'],
  ])('%s %s is no resource', (method, url) => {
    expect(parse(method, url)).toMatchObject({ isResource: false, verb: method.toLowerCase() })
  })

  test('a metadata.name selector names the object for authorization only', () => {
    const info = parse('GET', '/api/v1/namespaces/a/secrets?fieldSelector=type%3Dx,metadata.name%3Dtoken')
    expect(info).toMatchObject({ verb: 'list', name: '', authorizedName: 'token' })
  })

  test('keeps what follows the subresource', () => {
    expect(parse('GET', '/api/v1/nodes/n/proxy/stats/a%2Fb').parts).toEqual(['nodes', 'n', 'proxy', 'stats', 'a/b'])
  })

  test('refuses broken escapes', () => {
    expect(() => parse('GET', '/api/v1/namespaces/%zz/pods')).toThrow('invalid URL escape')
  })
})
