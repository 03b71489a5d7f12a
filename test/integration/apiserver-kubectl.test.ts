import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type AssembledTestServer, assembledTestServer } from '../../bootstrap/apiserver/testing-assembled.ts'

const run = promisify(execFile)
const kubectls = await installedKubectls()

let api: AssembledTestServer
let directory: string

beforeAll(async () => {
  api = await assembledTestServer()
  directory = await mkdtemp(join(tmpdir(), 'skiff-kubectl-'))
  await writeFile(join(directory, 'config'), JSON.stringify(api.kubeconfig))
})
afterAll(async () => {
  await api.stop()
  await rm(directory, { recursive: true, force: true })
})

/** kubectl on the PATH, and the versions that lie beside it. */
async function installedKubectls(): Promise<readonly (readonly [string, string])[]> {
  const folders = (process.env.PATH ?? '').split(delimiter)
  const found = folders.map(folder => join(folder, 'kubectl')).find(existsSync)
  if (!found) return []
  const home = dirname(await realpath(found))
  const versions = ['1.27', '1.30', '1.33'].map(version => [version, join(home, `kubectl.${version}`)] as const)
  return [['kubectl', found] as const, ...versions].filter(([, path]) => existsSync(path))
}

if (kubectls.length === 0) {
  test.skip('kubectl is not on the PATH', () => {})
} else {
  describe.each(kubectls)('kubectl %s', (version, path) => {
    const namespace = `v${version.replace('.', '-')}`
    const kubectl = async (...words: string[]) => {
      const environment = { ...process.env, KUBECONFIG: join(directory, 'config'), HOME: directory }
      const { stdout } = await run(path, words, { env: environment })
      return stdout.trim()
    }
    const file = async (name: string, object: object) => {
      const at = join(directory, `${namespace}-${name}.json`)
      await writeFile(at, JSON.stringify(object))
      return at
    }

    test('creates, applies, shows, scales, waits, deletes', async () => {
      expect(await kubectl('create', 'namespace', namespace)).toBe(`namespace/${namespace} created`)
      await kubectl('create', 'serviceaccount', 'default', '-n', namespace)
      const web = await file('web', {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name: 'web', namespace },
        spec: {
          replicas: 2,
          selector: { matchLabels: { app: 'web' } },
          template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
        },
      })
      expect(await kubectl('apply', '-f', web)).toBe('deployment.apps/web created')
      expect(await kubectl('apply', '-f', web)).toBe('deployment.apps/web unchanged')
      expect(await kubectl('diff', '-f', web)).toBe('')
      expect(await kubectl('apply', '--server-side', '--force-conflicts', '-f', web)).toBe(
        'deployment.apps/web serverside-applied',
      )
      expect(await kubectl('scale', 'deployment/web', '--replicas=3', '-n', namespace)).toBe(
        'deployment.apps/web scaled',
      )
      const table = await kubectl('get', 'deployments', '-n', namespace)
      expect(table).toMatch(/^NAME +READY +UP-TO-DATE +AVAILABLE +AGE\nweb +0\/3 +0 +0 +/)
      expect(await kubectl('get', 'deploy', 'web', '-n', namespace, '-o', 'jsonpath={.spec.replicas}')).toBe('3')
      expect(await kubectl('delete', 'deploy', 'web', '-n', namespace, '--timeout=10s')).toContain('deleted')
    })

    test('runs, labels, patches, describes', async () => {
      expect(await kubectl('run', 'p', '--image=i', '-n', namespace)).toBe('pod/p created')
      expect(await kubectl('label', 'pod', 'p', 'a=b', '-n', namespace)).toBe('pod/p labeled')
      const patch = '{"metadata":{"annotations":{"x":"y"}}}'
      expect(await kubectl('patch', 'pod', 'p', '-n', namespace, '-p', patch)).toBe('pod/p patched')
      expect(await kubectl('describe', 'pod', 'p', '-n', namespace)).toMatch(/^Name: +p\n/)
      expect(await kubectl('get', 'pods', '-n', namespace, '-l', 'a=b', '-o', 'name')).toBe('pod/p')
      expect(await kubectl('delete', 'pod', 'p', '-n', namespace)).toContain('deleted')
    })

    test('refuses what the schema does not know', async () => {
      const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x', namespace }, foo: 1 }
      await expect(kubectl('create', '-f', await file('bad', object))).rejects.toThrow(/unknown field "foo"/)
    })

    test('explains and asks', async () => {
      expect(await kubectl('explain', 'pod.spec.containers')).toContain('image')
      expect(await kubectl('auth', 'can-i', 'create', 'pods')).toBe('yes')
      expect(await kubectl('auth', 'can-i', 'create', 'pods', '--as', 'nobody').catch(error => error.stdout)).toBe(
        'no\n',
      )
      expect(await kubectl('create', 'token', 'default', '-n', namespace)).toMatch(/^ey.+\..+\..+$/)
    })
  })
}
