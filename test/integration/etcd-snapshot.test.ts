/** `skiff etcd-snapshot` and ETCDSnapshotFiles against a real server on SQLite, with kubectl. */
import { existsSync } from 'node:fs'
import { copyFile, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { parse } from 'yaml'
import { etcdSnapshot, eventually } from './etcd-snapshot.ts'
import { HttpClient } from './http-client.ts'
import { kubectls, Session } from './kubectl.ts'
import { type RunningServer, startServer } from './server.ts'

jest.setTimeout(240_000)

let server: RunningServer
let user: Session
beforeAll(async () => {
  server = await startServer(['--node-name', 'n1'])
  user = await Session.open(kubectls.at(-1)!, server.kubeconfig)
})
afterAll(async () => {
  await user?.close()
  await server?.remove()
})

const snapshot = (...words: string[]) => etcdSnapshot(server, ...words)
const folder = () => join(server.dataDir, 'server/db/snapshots')
const saved = (text: string) => [...text.matchAll(/level=info msg="Snapshot (\S+) saved\."/g)].map(match => match[1]!)
const objects = async () => (await user.ok('get', 'etcdsnapshotfiles', '-o', 'name')).split('\n').filter(Boolean)
const count = (many: number) => eventually(objects, names => names.length === many)

describe('etcd-snapshot', () => {
  let name = ''

  test('save', async () => {
    const { code, err } = await snapshot('save', '--name', 'manual', '--snapshot-compress')
    expect(code).toBe(0)
    name = saved(err)[0]!
    expect(name).toMatch(/^manual-n1-\d{10}\.zip$/)
    const { mode, size } = await stat(join(folder(), name))
    expect([(mode & 0o777).toString(8), size > 1000]).toEqual(['600', true])
  })

  test('list, in its forms', async () => {
    const { size } = await stat(join(folder(), name))
    const { out } = await snapshot('list')
    const [titles, row, ...more] = out.trimEnd().split('\n')
    expect(titles!.split(/ +/)).toEqual(['Name', 'Location', 'Size', 'Created'])
    expect(row!.split(/ +/)).toEqual([name, `file://${folder()}/${name}`, String(size), expect.stringMatching(/Z$/)])
    expect(more).toEqual([])
    const list = JSON.parse((await snapshot('ls', '-o', 'json')).out)
    expect(list).toMatchObject({
      apiVersion: 'v1',
      kind: 'List',
      items: [
        {
          apiVersion: 'k3s.cattle.io/v1',
          kind: 'ETCDSnapshotFile',
          metadata: { name: `local-${name}` },
          spec: { snapshotName: name, nodeName: 'n1' },
          status: { readyToUse: true },
        },
      ],
    })
    expect(parse((await snapshot('l', '--output=yaml')).out)).toEqual(list)
    expect(await snapshot('ls', '-o', 'xml')).toMatchObject({
      code: 1,
      err: 'invalid output format: xml: want one of json, yaml, table\n',
    })
  })

  test('its object says the same to kubectl, and tells how it came', async () => {
    await count(1)
    const [titles, row] = (await user.ok('get', 'etcdsnapshotfile')).split('\n')
    expect(titles!.split(/ +/)).toEqual(['NAME', 'SNAPSHOTNAME', 'NODE', 'LOCATION', 'SIZE', 'CREATIONTIME'])
    expect(row!.split(/ +/).slice(1, 4)).toEqual([name, 'n1', `file://${folder()}/${name}`])
    const told = await eventually(
      () => user.ok('describe', 'etcdsnapshotfile'),
      text => text.includes('ETCDSnapshotCreated'),
    )
    expect(told).toMatch(/Normal +ETCDSnapshotCreated +\S+ +k3s-supervisor +Snapshot manual-n1-\d+\.zip saved on n1/)
    expect(told).toMatch(/etcd\.k3s\.cattle\.io\/snapshot-token-hash: [0-9a-f]{12}/)
  })

  test('verify tries a restore, of the servers own and of files anywhere', async () => {
    const good = await snapshot('verify')
    expect(good.err).toMatch(new RegExp(`Snapshot ${name} can be restored: sqlite, revision \\d+, \\d+ keys\\.`))
    expect(good.code).toBe(0)
    const annotations = await user.ok('get', 'etcdsnapshotfiles', '-o', 'jsonpath={.items[0].metadata.annotations}')
    expect(JSON.parse(annotations)).toHaveProperty(['etcd.k3s.cattle.io/snapshot-verified'])

    const damaged = join(server.dataDir, 'damaged.zip')
    const bytes = await readFile(join(folder(), name))
    bytes[bytes.length >> 1]! ^= 0xff
    await writeFile(damaged, bytes)
    const bad = await snapshot('verify', damaged, join(folder(), name), 'nothing')
    expect(bad.code).toBe(1)
    expect(bad.err.trimEnd().split('\n')).toEqual([
      expect.stringContaining(`${name} can be restored`),
      expect.stringMatching(/level=error msg="Snapshot .*damaged\.zip cannot be restored: .*"/),
      expect.stringContaining('Snapshot nothing cannot be restored: there is no snapshot nothing'),
    ])
  })

  test('a file that is dropped into the folder is a snapshot, without being asked for', async () => {
    await copyFile(join(folder(), name), join(folder(), 'manual-n1-1700000000.zip'))
    await count(2)
    await rm(join(folder(), 'manual-n1-1700000000.zip'))
    await count(1)
  })

  test('prune keeps as many as it is told, of one name', async () => {
    for (const at of [1, 2, 3]) await copyFile(join(folder(), name), join(folder(), `manual-n1-170000000${at}.zip`))
    await copyFile(join(folder(), name), join(folder(), 'other-n1-1600000000.zip'))
    const { err } = await snapshot('prune', '--name', 'manual', '--snapshot-retention', '2')
    expect(err).toBe(
      'level=info msg="Snapshot manual-n1-1700000002.zip deleted."\nlevel=info msg="Snapshot manual-n1-1700000001.zip deleted."\n',
    )
    expect((await readdir(folder())).sort()).toEqual(['manual-n1-1700000003.zip', name, 'other-n1-1600000000.zip'])
    await count(3)
  })

  test('delete, and what is not there', async () => {
    const { code, err } = await snapshot('delete', 'other-n1-1600000000.zip', 'nothing')
    expect([code, err]).toEqual([
      0,
      'level=info msg="Snapshot other-n1-1600000000.zip deleted."\nlevel=warning msg="Snapshot nothing not found."\n',
    ])
    await count(2)
    expect(await snapshot('delete')).toMatchObject({ code: 1, err: 'no snapshots given for removal\n' })
  })

  test('kubectl delete deletes the file', async () => {
    await user.ok('delete', 'etcdsnapshotfiles', '--all')
    expect(await readdir(folder())).toEqual([])
  })

  test('extra metadata is noted with a snapshot, in its object and in the ConfigMap', async () => {
    const name = 'k3s-etcd-snapshot-extra-metadata'
    await user.ok('-n', 'kube-system', 'create', 'configmap', name, '--from-literal=owner=ops')
    const file = saved((await snapshot('save')).err)[0]!
    expect(JSON.parse(await readFile(join(server.dataDir, 'server/db/.metadata', file), 'utf8'))).toEqual({
      owner: 'ops',
    })
    const told = async () =>
      JSON.parse(
        (await user.ok('-n', 'kube-system', 'get', 'cm', '--ignore-not-found', '-o', 'json', 'k3s-etcd-snapshots')) ||
          '{}',
      )
    const { data } = await eventually(told, map => map.data !== undefined)
    expect(JSON.parse(data[`local-${file}`])).toMatchObject({ name: file, nodeName: 'n1', status: 'successful' })
  })

  test.each([
    [['save', 'now'], 'this command does not take any arguments'],
    [['save', '--s3'], 'failed to initialize S3 client: s3 configuration was not set: want etcd-s3-bucket'],
    [
      ['--s3', '--s3-bucket=b', '--s3-endpoint', 'http://h', 'save', '--s3-insecure'],
      'invalid etcd-s3-endpoint "http://h"',
    ],
    [['--s4', 'save'], 'flag provided but not defined: --s4 (did you mean --s3?)'],
    [['list', '--etcd-server', 'https://127.0.0.1:1'], 'ECONNREFUSED 127.0.0.1:1: the server has to run'],
    [
      ['save', '--dir', '/no/such/folder'],
      'failed to get etcd-snapshot-dir: there is no folder /no/such/folder: make it first',
    ],
    [['save', '--etcd-token', 'K10abc::server:x'], 'invalid token CA hash length'],
    [['save', '--etcd-token', 'wrong'], '401 not authorized'],
    [['freeze'], "No help topic for 'etcd-snapshot freeze'"],
    [['save', '--nmae', 'x'], 'flag provided but not defined: --nmae'],
  ])('%j is refused in one line', async (words, message) => {
    const { code, err } = await snapshot(...words)
    expect(code).toBe(1)
    expect(err.split('\n').filter(line => line !== '' && !line.startsWith('level='))).toEqual([
      expect.stringContaining(message),
    ])
  })
})

test('a server that ends meanwhile is said to have', async () => {
  const tls = (name: string) => readFile(join(server.dataDir, 'server/tls', name))
  const [cert, key] = [await tls('serving-kube-apiserver.crt'), await tls('serving-kube-apiserver.key')]
  const dying = createServer({ cert, key }, ({ url, socket }, response) =>
    url === '/cacerts' ? response.end(server.tls.ca) : socket.destroy(),
  )
  await new Promise<void>(resolve => dying.listen(0, '127.0.0.1', resolve))
  const { port } = dying.address() as AddressInfo
  const { code, err } = await etcdSnapshot({ ...server, url: `https://127.0.0.1:${port}` }, 'save')
  dying.close()
  expect([code, err]).toEqual([1, 'socket hang up: the server ended before it had answered, see its log\n'])
})

test('who is on the machine, but has no token, may neither list nor save', async () => {
  const nobody = new HttpClient({ url: server.url, tls: { ca: server.tls.ca } })
  for (const operation of ['list', 'save']) {
    const { status } = await nobody.ask('POST', '/db/snapshot', { body: { operation } })
    expect([operation, status]).toEqual([operation, 403])
  }
  nobody.close()
})

test('snapshots are taken on schedule, verified, and the oldest go', async () => {
  const flags = ['--node-name', 'n2', '--etcd-snapshot-schedule-cron', '@every 1s', '--etcd-snapshot-retention', '2']
  const scheduled = await startServer(flags)
  try {
    const files = async () => {
      const dir = join(scheduled.dataDir, 'server/db/snapshots')
      return existsSync(dir) ? (await readdir(dir)).filter(name => !name.startsWith('.')).sort() : []
    }
    const first = await eventually(files, names => names.length > 0)
    expect(first[0]).toMatch(/^etcd-snapshot-n2-\d{10}$/)
    await eventually(files, names => names.length === 2 && !names.includes(first[0]!))
    await scheduled.stop()
    expect((await files()).length).toBeLessThanOrEqual(3)
    const { code } = await etcdSnapshot(
      scheduled,
      'verify',
      join(scheduled.dataDir, 'server/db/snapshots', (await files())[0]!),
    )
    expect(code).toBe(0)
  } finally {
    await scheduled.remove()
  }
})
