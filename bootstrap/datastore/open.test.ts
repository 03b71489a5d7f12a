import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import type { Clock } from './effects.ts'
import { type DatastoreSettings, isShared, openDatastore } from './open.ts'

const clock: Clock = { now: () => 0, sleep: () => new Promise(() => undefined) }
const log = { info: () => undefined, warn: () => undefined }

let dir: string

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'skiff-open-'))
})

afterEach(async () => {
  await rm(dir, { recursive: true, force: true })
})

const open = (settings: Partial<DatastoreSettings>) =>
  openDatastore({ endpoint: '', file: join(dir, 'state.db'), ...settings }, { clock, log })

test.each([
  ['', 'state.db'],
  ['sqlite', 'state.db'],
  ['sqlite://DIR/other.db', 'other.db'],
])('endpoint "%s" is the file %s', async (endpoint, file) => {
  const store = await open({ endpoint: endpoint.replace('DIR', dir) })
  await store.close()
  expect((await stat(join(dir, file))).isFile()).toBe(true)
  expect(isShared(endpoint)).toBe(false)
})

test('files of certificates that cannot be used are refused by name', async () => {
  const file = (name: string) => join(dir, name)
  const req = (name: string) =>
    execFileSync(
      'openssl',
      ['req', '-x509', '-newkey', 'ed25519', '-nodes', '-subj', '/CN=x', '-keyout', file(`${name}.key`)].concat(
        '-out',
        file(`${name}.crt`),
      ),
      { stdio: 'ignore' },
    )
  req('a')
  req('b')
  await writeFile(file('text'), 'not a certificate')
  const refused = async (settings: Partial<DatastoreSettings>) =>
    ((await open({ endpoint: 'https://127.0.0.1:2379', ...settings }).catch((error: unknown) => error)) as Error)
      .message
  expect(await refused({ caFile: file('none') })).toMatch(/^cannot read --datastore-cafile: ENOENT.*none/)
  expect(await refused({ caFile: file('text') })).toMatch(`--datastore-cafile ${file('text')} is not in PEM form`)
  expect(await refused({ certFile: file('a.crt') })).toBe(
    '--datastore-certfile and --datastore-keyfile go together: give both or none',
  )
  expect(await refused({ certFile: file('a.crt'), keyFile: file('b.key') })).toMatch(
    `--datastore-keyfile ${file('b.key')} does not belong to --datastore-certfile ${file('a.crt')}`,
  )
})
