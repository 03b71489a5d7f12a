import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { createLogger } from '../log.ts'
import { serviceManager } from './service.ts'

const log = createLogger({
  debug: false,
  stream: { write: () => true } as unknown as NodeJS.WriteStream,
  pretty: false,
})
const hasTools = ['systemd-notify', 'socat'].every(name => spawnSync(name, ['--version']).error === undefined)
if (!hasTools) console.warn('skipped: needs systemd-notify and socat')

test('systemd is told when the process is up, and no child can do it instead', async () => {
  if (!hasTools) return
  const folder = mkdtempSync(join(tmpdir(), 'skiff-notify-'))
  const socket = join(folder, 'socket')
  const manager = spawn('socat', ['-u', `UNIX-RECV:${socket}`, 'STDOUT'])
  try {
    while (!existsSync(socket)) await new Promise(resolve => setTimeout(resolve, 5))
    const env: NodeJS.ProcessEnv = { PATH: process.env.PATH, NOTIFY_SOCKET: socket }
    const up = serviceManager(env, log)
    expect(env).not.toHaveProperty('NOTIFY_SOCKET')
    up()
    const [message] = (await once(manager.stdout, 'data')) as [Buffer]
    expect(message.toString()).toContain('READY=1')
  } finally {
    manager.kill()
    rmSync(folder, { recursive: true })
  }
})

test('without systemd nothing is told', () => {
  const env = { PATH: '/nowhere' }
  serviceManager(env, log)()
  expect(env).toEqual({ PATH: '/nowhere' })
})

test('a process of a release file shows as the file and its command', () => {
  const script = `
    import { nameProcess } from '${join(import.meta.dirname, 'service.ts')}'
    nameProcess(process, 'server')
    console.log(JSON.stringify([process.pid, ...['cmdline', 'comm'].map(file => process.getBuiltinModule('fs').readFileSync('/proc/self/' + file, 'latin1'))]))`
  const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script, '--', '--token=secret']
  const env = { ...process.env, SKIFF_FILE: '/usr/local/bin/k3s' }
  const { stdout } = spawnSync(process.execPath, args, { env, encoding: 'utf8' })
  const [, cmdline, comm] = JSON.parse(stdout) as [number, string, string]
  expect(cmdline.replace(/\0+$/, '')).toBe('/usr/local/bin/k3s server')
  expect(comm).toBe('k3s-server\n')
})
