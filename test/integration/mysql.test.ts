/** Two servers over one MariaDB, as users run them: kubectl at both, the database dies and comes back, endpoints that do not work. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { hasMysql, type MysqlServer, startMysql } from '../../bootstrap/datastore/testing/mysql-server.ts'
import { kubectls, Session } from './kubectl.ts'
import { type RunningServer, startServer } from './server.ts'

const kubectl = kubectls.at(-1)
if (!kubectl) console.warn('two servers over MariaDB not tested: no kubectl')

/** What `skiff server` with these flags says before it ends, and its exit code. */
function refusal(...flags: readonly string[]): Promise<{ readonly code: number; readonly said: string }> {
  const program = join(import.meta.dirname, '../../skiff.ts')
  const args = ['--disable-warning=ExperimentalWarning', program, 'server', '--disable-agent', ...flags]
  return new Promise(resolve => {
    execFile(process.execPath, args, { env: { ...process.env, SKIFF_ARGV0: 'skiff' } }, (error, stdout, stderr) => {
      const said = `${stdout}${stderr}`.split('\n').filter(line => line !== '' && !line.startsWith('{'))
      resolve({ code: Number(error?.code ?? 0), said: said.join('\n') })
    })
  })
}

;(hasMysql && kubectl ? describe : describe.skip)('two servers over one MariaDB', () => {
  let database: MysqlServer
  let servers: RunningServer[]
  let users: Session[]

  beforeAll(async () => {
    database = await startMysql({ durable: true })
    const endpoint = `mysql://${database.source('cluster')}`
    const flags = ['--datastore-endpoint', endpoint, '--token', 'shared', '--disable', 'coredns,traefik,metrics-server']
    servers = [await startServer([...flags, '--node-name', 'one'])]
    servers.push(await startServer([...flags, '--node-name', 'two']))
    users = await Promise.all(servers.map(server => Session.open(kubectl!, server.kubeconfig)))
    await users[0]!.ok('create', 'namespace', users[0]!.namespace)
  }, 120_000)

  afterAll(async () => {
    for (const user of users ?? []) await user.close()
    for (const server of servers ?? []) await server.remove()
    await database?.destroy()
  }, 60_000)

  test('kubectl at one shows at once what kubectl at the other did', async () => {
    const [one, two] = users as [Session, Session]
    const watching = two.follow('get', 'configmaps', '--watch', '--output-watch-events')
    for (let i = 0; i < 5; i++) {
      const [writer, reader] = i % 2 ? [one, two] : [two, one]
      await writer.ok('create', 'configmap', `c${i}`, `--from-literal=n=${i}`)
      expect(await reader.ok('get', 'configmap', `c${i}`, '-o', 'jsonpath={.data.n}')).toBe(String(i))
      await reader.ok('delete', 'configmap', `c${i}`)
      expect(await writer.fails('get', 'configmap', `c${i}`)).toMatch('NotFound')
    }
    await watching.seen(/DELETED\s+c4/)
    const events = [...watching.output.matchAll(/(ADDED|DELETED)\s+(c\d)/g)].map(([, type, name]) => `${type} ${name}`)
    expect(events).toEqual([0, 1, 2, 3, 4].flatMap(i => [`ADDED c${i}`, `DELETED c${i}`]))
    await watching.end()
  }, 60_000)

  test('a database killed and started again loses nothing, and nobody has to be restarted', async () => {
    const [one, two] = users as [Session, Session]
    const pids = servers.map(({ pid }) => pid)
    await one.ok('create', 'configmap', 'kept', '--from-literal=a=b')
    const watching = two.follow('get', 'configmaps', '--watch', '--output-watch-events')
    await watching.seen(/kept/)
    await database.process.stop('SIGKILL')
    const complaint = await one.fails('create', 'configmap', 'lost', '--from-literal=a=b')
    expect(complaint).toMatch(/datastore unavailable: MySQL 127\.0\.0\.1:\d+\/cluster: /)
    await database.process.start()
    while ((await one.run(['get', '--raw', '/readyz'])).out !== 'ok')
      await new Promise(resolve => setTimeout(resolve, 100))
    expect(await two.ok('get', 'configmap', 'kept', '-o', 'jsonpath={.data.a}')).toBe('b')
    await one.ok('create', 'configmap', 'after', '--from-literal=a=b')
    await watching.seen(/ADDED\s+after/)
    await watching.end()
    expect(servers.map(({ pid }) => pid)).toEqual(pids)
    const rows = await database.run('SELECT COUNT(*) AS n, MAX(revision) AS newest FROM skiff_log', 'cluster')
    const { n, newest } = rows[0] as { n: number; newest: number }
    expect(n).toBe(newest)
  }, 120_000)

  test('a wrong password is one line', async () => {
    const endpoint = `mysql://${database.source('cluster').replace('secret', 'wrong')}`
    const { code, said } = await refusal('--datastore-endpoint', endpoint, '--data-dir', join(users[0]!.home, 'data'))
    expect(code).toBe(1)
    expect(said).toMatch(
      /^skiff: MySQL 127\.0\.0\.1:\d+\/cluster: Access denied for user 'skiff'@'127\.0\.0\.1'[^\n]*$/,
    )
  }, 30_000)

  test('an endpoint of another form is one line', async () => {
    const dir = join(users[0]!.home, 'data')
    const { code, said } = await refusal('--datastore-endpoint', 'mysql://u:p@host:3306/db', '--data-dir', dir)
    expect(code).toBe(1)
    expect(said).toBe(
      'skiff: invalid --datastore-endpoint: want mysql://user:password@tcp(host:3306)/database or mysql://user:password@unix(/path/to/socket)/database, not "host:3306"',
    )
  }, 30_000)
})
