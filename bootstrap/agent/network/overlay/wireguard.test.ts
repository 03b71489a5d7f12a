import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from '@jest/globals'
import { ConfigError } from '../../../config/parse.ts'
import type { Peer, Side } from './backend.ts'
import { configuration, wireguard } from './wireguard.ts'

const runDir = mkdtempSync(join(tmpdir(), 'skiff-wg-'))
afterEach(() => rmSync(runDir, { recursive: true, force: true }))

const log = { info: () => undefined, warn: () => undefined }
const backend = (missing: readonly string[]) =>
  wireguard({
    log,
    runDir,
    bytes: () => Buffer.alloc(6),
    exec: async (program, args) => {
      const line = [program, ...args].join(' ')
      if (missing.some(name => line.includes(name))) throw new Error(`${line}: not there`)
      return program === 'ip' && args.includes('-j') ? '[]' : ''
    },
  })

test.each([
  [['wg --version'], 'install wireguard-tools'],
  [['type wireguard', 'wireguard-go'], 'install wireguard-go'],
])('a machine without %s is told what to do', async (missing, advice) => {
  const failure = await backend(missing).check!().catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(ConfigError)
  expect((failure as Error).message).toContain(advice)
})

test.each([[['wireguard-go']], [['type wireguard']]])('without %s there is another way', async missing => {
  await backend(missing).check!()
})

test('the key is made once and only root reads it', async () => {
  const side: Side = {
    family: 'IPv4',
    cluster: '10.42.0.0/16',
    subnet: '10.42.1.0/24',
    device: 'eth0',
    address: '192.0.2.1',
    mtu: 1500,
  }
  const first = await backend([]).open(side, undefined)
  expect(first).toMatchObject({ Port: 51820, PublicKey: expect.stringMatching(/^[A-Za-z0-9+/]{43}=$/) })
  expect(await backend([]).open(side, undefined)).toEqual(first)
  expect(statSync(join(runDir, 'wgkey')).mode & 0o777).toBe(0o400)
  expect(Buffer.from(readFileSync(join(runDir, 'wgkey'), 'utf8'), 'base64')).toHaveLength(32)
})

test('peers that say nothing usable are left out, and nothing of theirs becomes configuration', () => {
  const key = Buffer.alloc(32, 7).toString('base64')
  const peer = (subnet: string, publicIp: string, data: unknown): Peer => ({
    node: 'n',
    family: 'IPv4',
    subnet,
    publicIp,
    data,
  })
  const text = configuration('secret', 51820, [
    peer('10.42.2.0/24', '192.0.2.2', { PublicKey: key, Port: 51999 }),
    peer('10.42.1.0/24', '2001:db8::1', { PublicKey: key }),
    peer('10.42.3.0/24', '192.0.2.3', undefined),
    peer('10.42.4.0/24', '192.0.2.4', { PublicKey: `${key}\nAllowedIPs = 0.0.0.0/0` }),
  ])
  expect(text.match(/^(AllowedIPs|Endpoint) = .*$/gm)).toEqual([
    'AllowedIPs = 10.42.1.0/24',
    'Endpoint = [2001:db8::1]:51820',
    'AllowedIPs = 10.42.2.0/24',
    'Endpoint = 192.0.2.2:51999',
  ])
})
