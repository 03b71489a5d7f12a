/** `skiff token` against a real server. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { runToken } from '../../bootstrap/cli/token/command.ts'
import { ConfigError } from '../../bootstrap/config/parse.ts'
import { HttpClient } from './http-client.ts'
import { basic } from './joining.ts'
import { type RunningServer, startServer } from './server.ts'

jest.setTimeout(60_000)

let server: RunningServer
let nobody: HttpClient
beforeAll(async () => {
  server = await startServer()
  nobody = new HttpClient({ url: server.url, tls: { ca: server.tls.ca } })
})
afterAll(async () => {
  nobody?.close()
  await server?.remove()
})

/** What the command printed, or what it complained of. In this process: twenty of their own would take their time. */
async function token(...args: readonly string[]): Promise<string> {
  let printed = ''
  const stream = { write: (text: string) => void (printed += text) }
  const host = { env: { KUBECONFIG: server.kubeconfig }, stdout: stream, stderr: stream, title: '' }
  try {
    const code = await runToken(args, host as unknown as NodeJS.Process)
    return code === 0 ? printed : `${code}: ${printed}`
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return `error: ${error.message}\n`
  }
}

const config = (user: string, password: string) =>
  nobody.get('/v1-k3s/config', { headers: basic(user, password) }).then(({ status }) => status)

test('generate prints a token and stores none', async () => {
  expect(await token('generate')).toMatch(/^[a-z0-9]{6}\.[a-z0-9]{16}\n$/)
  expect(await token('list')).toBe('TOKEN     TTL       EXPIRES   USAGES    DESCRIPTION   EXTRA GROUPS\n')
})

test('create, list, delete', async () => {
  const made = (await token('create', '--ttl', '1h', '--description', 'for the shop')).trim()
  const [, id = '', secret = ''] = /^K10[0-9a-f]{64}::([a-z0-9]{6})\.([a-z0-9]{16})$/.exec(made) ?? []
  const own = await readFile(join(server.dataDir, 'server/token'), 'utf8')
  expect(made.slice(0, 67)).toBe(own.slice(0, 67))
  expect(await config(id, secret)).toBe(200)

  expect(await token('create', '--ttl=0', '--groups', 'system:bootstrappers:a', 'abcdef.0123456789abcdef')).toMatch(
    /::abcdef\.0123456789abcdef\n$/,
  )
  expect(await token('create', 'abcdef.0123456789abcdef')).toBe('error: a token with id "abcdef" already exists\n')
  expect(await token('create', 'ABCDEF.0')).toContain('the bootstrap token "ABCDEF.0" was not of the form')

  const [titles, ...rows] = (await token('list')).trimEnd().split('\n')
  expect(titles!.split(/ {2,}/)).toEqual(['TOKEN', 'TTL', 'EXPIRES', 'USAGES', 'DESCRIPTION', 'EXTRA GROUPS'])
  const cells = rows.map(row => row.split(/ {2,}/))
  expect(cells).toContainEqual([
    ...['abcdef', '<forever>', '<never>', 'authentication,signing', '<none>', 'system:bootstrappers:a'],
  ])
  expect(cells).toContainEqual([
    id,
    '59m',
    expect.stringMatching(/^2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
    'authentication,signing',
    'for the shop',
    'system:bootstrappers:k3s:default-node-token',
  ])
  const json = JSON.parse(await token('list', '-o', 'json'))
  expect(json).toContainEqual({
    token: { id: 'abcdef' },
    usages: ['authentication', 'signing'],
    groups: ['system:bootstrappers:a'],
  })

  expect(await token('delete', id, 'abcdef.0123456789abcdef')).toBe(
    `bootstrap token "${id}" deleted\nbootstrap token "abcdef" deleted\n`,
  )
  expect(await config(id, secret)).toBe(401)
  expect(await token('delete', 'abcdef')).toContain('failed to delete bootstrap token "abcdef"')
  expect(await token('delete', 'x')).toContain("given token didn't match pattern")
  expect(await token('delete')).toBe("error: missing argument; 'token delete' is missing token\n")
})

test('an expired token is gone', async () => {
  await token('create', '--ttl', '1s', 'aaaaaa.0123456789abcdef')
  const admin = new HttpClient(server)
  const path = '/api/v1/namespaces/kube-system/secrets/bootstrap-token-aaaaaa'
  await admin.until(path, ({ status }) => status === 404)
  admin.close()
  expect(await config('aaaaaa', '0123456789abcdef')).toBe(401)
})

test('rotate', async () => {
  const path = join(server.dataDir, 'server/token')
  const old = (await readFile(path, 'utf8')).trim()
  const password = old.slice(old.lastIndexOf(':') + 1)
  const where = ['--server', server.url, '--data-dir', server.dataDir]
  expect(await token('rotate', ...where, '--token', 'wrong', '--new-token', 'n')).toContain('401 not authorized')
  expect(await token('rotate', ...where, '--new-token', 'abcdef.0123456789abcdef')).toContain(
    'failed to normalize server token; must be in format',
  )
  expect(await token('rotate', ...where, '--token', old, '--new-token', 'changed')).toBe(
    '\u001b[33mWARNING\u001b[0m: Recommended to keep a record of the old token. If restoring from a snapshot, you must use the token associated with that snapshot.\nToken rotated, restart k3s nodes with new token\n',
  )
  expect(await readFile(path, 'utf8')).toBe(`${old.slice(0, 67)}::server:changed\n`)
  expect(await readFile(join(server.dataDir, 'server/node-token'), 'utf8')).toContain('changed')
  expect([await config('node', password), await config('node', 'changed')]).toEqual([401, 200])
  await server.stop()
  const again = await startServer([], server.dataDir)
  expect(await again.stop()).toBe(0)
  await expect(startServer(['--token', password], server.dataDir)).rejects.toThrow(
    'skiff: bootstrap data already found and encrypted with different token',
  )
})
