import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { main } from './main.ts'

/** Runs the program with arguments; the userland is never needed here. */
async function run(args: readonly string[], env: { [name: string]: string } = {}) {
  const output = { stdout: '', stderr: '' }
  const stream = (name: 'stdout' | 'stderr') => ({ write: (text: string) => void (output[name] += text) })
  const host = {
    argv: ['node', 'skiff', ...args],
    env,
    version: 'v24',
    stdout: stream('stdout'),
    stderr: stream('stderr'),
  } as unknown as NodeJS.Process
  const absent = () => Promise.reject(new Error('not here'))
  await main(host, { userland: absent, modules: absent })
  return { ...output, code: host.exitCode }
}

test('--version says which Kubernetes, help lists the commands', async () => {
  expect(await run(['--version'])).toMatchObject({
    stdout: expect.stringMatching(/^skiff version v1\.36\.\d+\+skiff\d+ \(HEAD\)\nnode version v24\.[\d.]+\n$/),
    code: 0,
  })
  for (const args of [[], ['help'], ['--help']]) {
    const { stdout, code } = await run(args)
    expect(code).toBe(0)
    for (const command of ['server', 'agent', 'kubectl', 'ctr', 'etcd-snapshot'])
      expect(stdout).toMatch(new RegExp(`^   ${command} `, 'm'))
  }
})

test('server --help lists every flag but the hidden ones', async () => {
  const { stdout, code } = await run(['server', '--help'])
  expect(code).toBe(0)
  expect(stdout).toContain('--https-listen-port value')
  expect(stdout).toContain('[$K3S_TOKEN]')
  expect(stdout).not.toContain('--disable-agent')
})

test.each([
  [['nonsense'], "skiff: No help topic for 'nonsense': see skiff help\n"],
  [['agent', '--data-dir=/nowhere'], 'skiff: --token is required\n'],
  [['agent', '--token=t'], 'skiff: --server is required\n'],
  [['certificate', 'check'], expect.stringMatching(/^skiff: this command is not supported by v1\.36.* yet\n$/)],
  [
    ['server', '--secrets-encryption'],
    'skiff: --secrets-encryption is not supported by this version yet: leave it out\n',
  ],
  [['prepare-upgrade'], "skiff: prepare-upgrade wants one argument, the name of the control plane's Plan\n"],
  [
    ['prepare-upgrade', 'server-plan'],
    'skiff: SYSTEM_UPGRADE_PLAN_LATEST_VERSION is not set: this runs in the Job of a Plan\n',
  ],
  [['kubectl'], 'skiff: kubectl is not installed: install it, or run "make setup"\n'],
])('%j ends with one line and exit code 1', async (args, stderr) => {
  const env = { K3S_CONFIG_FILE: '/dev/null', PATH: '/nowhere' }
  expect(await run(args, env)).toEqual({ stdout: '', stderr, code: 1 })
})

test('called as k3s it is K3s, called as kubectl it is kubectl', async () => {
  expect((await run(['--version'], { SKIFF_ARGV0: '/usr/local/bin/k3s' })).stdout).toMatch(/^k3s version v1/)
  expect((await run(['get', 'pods'], { SKIFF_ARGV0: '/usr/bin/kubectl', PATH: '/nowhere' })).stderr).toContain(
    'kubectl is not installed',
  )
})

test('a link that leads back to the program is not the kubectl it looks for', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'skiff-links-'))
  try {
    writeFileSync(join(folder, 'k3s'), '', { mode: 0o755 })
    symlinkSync('k3s', join(folder, 'kubectl'))
    const { stderr } = await run(['kubectl'], { PATH: folder, SKIFF_FILE: join(folder, 'k3s') })
    expect(stderr).toMatch(/^skiff: kubectl is not installed: [^\n]*\n$/)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
