import { describe, expect, test } from '@jest/globals'
import { parseRequest } from './request.ts'

const env = { NAME: 'web', CHART_NAMESPACE: 'apps', TARGET_NAMESPACE: 'there', CHART: 'web' }
const api = { KUBERNETES_SERVICE_HOST: '10.43.0.1', KUBERNETES_SERVICE_PORT: '443' }

test('what a HelmChart that says nothing leads to', () => {
  expect(parseRequest(['install'], env)).toEqual({
    action: 'install',
    name: 'web',
    namespace: 'there',
    createNamespace: false,
    takeOwnership: false,
    chart: 'web',
    repo: '',
    version: '',
    set: [],
    setString: [],
    driver: 'secret',
    failurePolicy: 'reinstall',
    serverSide: 'auto',
    forceConflicts: false,
    timeoutMs: undefined,
    expectedRevision: undefined,
    configHash: '',
    passCredentials: false,
    insecure: false,
    plainHttp: false,
  })
})

test('arguments', () => {
  const flags = ['--namespace', 'x', '--create-namespace', '--take-ownership', '--version', '^1']
  const sets = ['--set', 'a=1', '--set-string', 'b=x', '--set', 'c=true']
  expect(parseRequest(['install', ...flags, ...sets], env)).toMatchObject({
    namespace: 'x',
    createNamespace: true,
    takeOwnership: true,
    version: '^1',
    set: ['a=1', 'c=true'],
    setString: ['b=x'],
  })
})

test.each<[object, object]>([
  [{ TIMEOUT: '15m0s' }, { timeoutMs: 900_000 }],
  [{ EXPECTED_RELEASE_REVISION: '0' }, { expectedRevision: 0 }],
  [
    { EXPECTED_RELEASE_REVISION: '7', CONFIG_HASH: 'AB' },
    { expectedRevision: 7, configHash: 'AB' },
  ],
  [
    { FAILURE_POLICY: 'abort', SERVER_SIDE: 'false', FORCE_CONFLICTS: 'true' },
    { failurePolicy: 'abort', serverSide: 'false', forceConflicts: true },
  ],
  [{ HELM_DRIVER: 'configmap' }, { driver: 'configmap' }],
  [{ TARGET_NAMESPACE: '' }, { namespace: 'apps' }],
  [
    { INSECURE_SKIP_TLS_VERIFY: 'true', PLAIN_HTTP: 'true', AUTH_PASS_CREDENTIALS: 'true' },
    { insecure: true, plainHttp: true, passCredentials: true },
  ],
  [
    { REPO: 'https://r', CHART: 'web/nginx' },
    { repo: 'https://r', chart: 'nginx' },
  ],
  [
    { ...api, CHART: 'https://%{KUBERNETES_API}%/static/charts/web.tgz' },
    { chart: 'https://10.43.0.1:443/static/charts/web.tgz' },
  ],
  [
    { ...api, KUBERNETES_SERVICE_HOST: 'fd00::1', CHART: 'https://%{KUBERNETES_API}%/x' },
    { chart: 'https://[fd00::1]:443/x' },
  ],
])('environment %j', (more, wanted) => {
  expect(parseRequest(['install'], { ...env, ...more })).toMatchObject(wanted)
})

describe('refused', () => {
  test.each<[readonly string[], object, string]>([
    [[], {}, 'unknown action ""'],
    [['upgrade'], {}, 'unknown action "upgrade": want install or delete'],
    [['install', '--what'], {}, 'unknown argument "--what"'],
    [['install', '--set'], {}, '--set wants a value'],
    [['install'], { NAME: '' }, 'the environment lacks NAME'],
    [['install'], { FAILURE_POLICY: 'hope' }, 'unknown FAILURE_POLICY "hope": want reinstall, abort, retry'],
    [['install'], { TIMEOUT: 'soon' }, 'TIMEOUT "soon" is not a duration'],
  ])('%j with %j', (args, more, message) => {
    expect(() => parseRequest(args, { ...env, ...more })).toThrow(message)
  })
})
