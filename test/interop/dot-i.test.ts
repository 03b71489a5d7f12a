import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { HttpClient } from '../integration/http-client.ts'
import { type RunningServer, startServer } from '../integration/server.ts'

/** Not a dependency of the project: npm install --prefix .tools/test/dot-i @dot-i/k8s-operator@1 */
const library = join(import.meta.dirname, '../../.tools/test/dot-i/node_modules/@dot-i/k8s-operator')

const group = 'dot-i.example.com'
const properties = {
  spec: { type: 'object', properties: { size: { type: 'integer' } } },
  status: { type: 'object', properties: { observedGeneration: { type: 'integer' }, phase: { type: 'string' } } },
}
const definition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `things.${group}` },
  spec: {
    group,
    scope: 'Namespaced',
    names: { plural: 'things', kind: 'Thing' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: { openAPIV3Schema: { type: 'object', properties } },
      },
    ],
  },
}

if (!existsSync(library)) test.skip('@dot-i/k8s-operator is not in .tools/test/dot-i', () => {})
else {
  let server: RunningServer
  let api: HttpClient
  let operator: ChildProcessWithoutNullStreams
  let output = ''
  beforeAll(async () => {
    server = await startServer()
    api = new HttpClient(server)
    const file = join(server.dataDir, 'definition.json')
    await writeFile(file, JSON.stringify(definition))
    const program = join(import.meta.dirname, 'dot-i-operator.cjs')
    operator = spawn(process.execPath, ['--no-deprecation', program, library, file], {
      env: { ...process.env, KUBECONFIG: server.kubeconfig },
    })
    for (const stream of [operator.stdout, operator.stderr]) stream.on('data', chunk => (output += chunk))
  }, 60_000)
  afterAll(async () => {
    const ended = once(operator, 'exit')
    operator.kill('SIGKILL')
    await ended
    api.close()
    await server.remove()
  })

  const says = async (line: string) => {
    while (!output.includes(`${line}\n`)) {
      if (operator.exitCode !== null) throw new Error(`the operator ended: ${output}`)
      await Promise.race([once(operator.stdout, 'data'), once(operator, 'exit')])
    }
  }

  test('an operator registers its kind, follows objects, writes status, cleans up', async () => {
    const things = `/apis/${group}/v1/namespaces/default/things`
    await says('ready')
    const thing = { apiVersion: `${group}/v1`, kind: 'Thing', metadata: { name: 'one' }, spec: { size: 1 } }
    expect((await api.post(things, thing)).status).toBe(201)
    await says('ADDED one 1')
    const seen = await api.until(`${things}/one`, ({ body }) => body.status?.phase === 'Seen')
    expect(seen.body.metadata.finalizers).toEqual(['things.dot-i.example.com/cleanup'])
    await api.patch(`${things}/one`, 'application/merge-patch+json', { spec: { size: 2 } })
    await api.until(`${things}/one`, ({ body }) => body.status?.observedGeneration === 2)
    expect((await api.delete(`${things}/one`)).status).toBe(200)
    await says('cleaned up')
    await says('DELETED one 3')
    expect((await api.get(`${things}/one`)).status).toBe(404)
    expect(output).not.toContain('rror')
  }, 30_000)
}
