import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { serverFlags } from './config/flags.ts'
import { parseFlags } from './config/parse.ts'
import { serverConfig } from './config/server-config.ts'
import { lockDataDir } from './lock.ts'
import { preflight } from './preflight.ts'

let folder: string
let holder: Server
let taken: number

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'skiff-preflight-'))
  const bin = join(folder, 'bin')
  mkdirSync(bin)
  for (const program of ['containerd', 'runc']) writeFileSync(join(bin, program), '', { mode: 0o755 })
  holder = createServer()
  await new Promise<void>(resolve => holder.listen(0, '127.0.0.1', resolve))
  taken = (holder.address() as { port: number }).port
})
afterEach(() => {
  holder.close()
  rmSync(folder, { recursive: true })
})

/** Runs the checks for `args`; the data-dir does not exist yet. */
function check(args: readonly string[], options: { path?: string; now?: number } = {}): Promise<void> {
  const all = [`--data-dir=${folder}/data`, '--bind-address=127.0.0.1', `--https-listen-port=${taken}`, ...args]
  const config = serverConfig(parseFlags(serverFlags, [], all, {}), { hostname: 'n', primaryAddress: '192.0.2.1' })
  return preflight(config, { env: { PATH: options.path ?? join(folder, 'bin') }, now: options.now ?? Date.now() })
}

async function freePort(): Promise<void> {
  await new Promise(resolve => holder.close(resolve))
}

test('a machine that has everything passes, and nothing is made', async () => {
  await freePort()
  await check([])
  expect(existsSync(join(folder, 'data'))).toBe(false)
})

test('a passphrase for snapshots that is not there is told before anything starts', async () => {
  await freePort()
  const file = join(folder, 'passphrase')
  const flag = `--etcd-snapshot-passphrase-file=${file}`
  await expect(check([flag])).rejects.toThrow(`cannot read --etcd-snapshot-passphrase-file ${file}: ENOENT`)
  writeFileSync(file, '\n')
  await expect(check([flag])).rejects.toThrow(`--etcd-snapshot-passphrase-file ${file} is empty`)
  writeFileSync(file, 'secret\n')
  await check([flag])
})

test('a port in use names who holds it', async () => {
  await expect(check([])).rejects.toThrow(
    new RegExp(`^port ${taken} is already in use by .+ \\(pid ${process.pid}\\): stop it or use --https-listen-port$`),
  )
})

test.each([
  ['a script', 'skiff.mjs', 'skiff'],
  ['a text', '-e', 'node'],
])('of Node.js with %s: it, not the name of a thread', async (_, how, name) => {
  await freePort()
  const text = `require("net").createServer().listen(${taken}, "127.0.0.1", () => console.log())`
  const script = join(folder, how)
  writeFileSync(script, text.replace('require("net")', '(await import("net"))'))
  const other = spawn(process.execPath, how === '-e' ? [how, text] : [script])
  await once(other.stdout, 'data')
  try {
    await expect(check([])).rejects.toThrow(`port ${taken} is already in use by ${name} (pid ${other.pid}): `)
  } finally {
    other.kill()
    await once(other, 'exit')
  }
})

test("a port of the embedded etcd in use ends the start, unless it is this server's own etcd of a moment ago", async () => {
  await freePort()
  const args = ['--cluster-init', '--node-ip=127.0.0.77', '--disable-agent']
  const etcd = createServer().listen(2380, '127.0.0.77')
  await once(etcd, 'listening')
  await expect(check(args)).rejects.toThrow(
    new RegExp(`^port 2380 is already in use by .+ \\(pid ${process.pid}\\): the embedded etcd needs it; stop it$`),
  )
  await expect(check(['--node-ip=127.0.0.77', '--disable-agent'])).resolves.toBeUndefined()
  etcd.close()

  const script = "require('net').createServer().listen(2380, '127.0.0.77', () => console.log('listens'))"
  const earlier = spawn(process.execPath, ['-e', script, `${folder}/data/server/db/etcd/config`])
  await once(earlier.stdout, 'data')
  const others = await check(args).catch((error: Error) => error.message)
  // What else runs on this machine may have the ports on its own loopback address.
  expect(others ?? '').not.toContain('port 2380')
  earlier.kill()
  await once(earlier, 'exit')
})

test.each<[string, string[], { path?: string; now?: number }, RegExp]>([
  ['a missing runtime', [], { path: '/nowhere' }, /^containerd is not installed: .*--container-runtime-endpoint$/],
  [
    'an unknown group',
    ['--write-kubeconfig-group=nosuchgroup'],
    {},
    /^--write-kubeconfig-group nosuchgroup: no such group$/,
  ],
  ['a clock before 1980', [], { now: 0 }, /^server time isn't set properly/],
])('%s', async (_, args, options, message) => {
  await freePort()
  await expect(check(args, options)).rejects.toThrow(message)
})

test('a file where the data-dir should be', async () => {
  await freePort()
  writeFileSync(join(folder, 'data'), '')
  await expect(check([])).rejects.toThrow(`--data-dir ${folder}/data: ${folder}/data is not a directory`)
})

test('a data-dir where nobody can make one', async () => {
  await freePort()
  await expect(check(['--data-dir=/proc/skiff/data'])).rejects.toThrow(
    /^--data-dir \/proc\/skiff\/data: \/proc is not writable \(\w+\): choose another directory/,
  )
})

test('a broken registries.yaml', async () => {
  await freePort()
  const file = join(folder, 'registries.yaml')
  await check([`--private-registry=${file}`])
  writeFileSync(file, 'mirrors: [\n')
  await expect(check([`--private-registry=${file}`])).rejects.toThrow(`registry configuration ${file}: line `)
})

test('no runtime is needed without an agent, or with an endpoint', async () => {
  await freePort()
  await check(['--disable-agent'], { path: '' })
  await check(['--container-runtime-endpoint=/run/x.sock'], { path: '' })
})

test('two servers on one data-dir: the second is refused until the first is gone', async () => {
  const release = await lockDataDir(folder)
  await expect(lockDataDir(folder)).rejects.toThrow(`another server is running on data-dir ${folder}`)
  release()
  const again = await lockDataDir(folder)
  again()
})
