import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from '@jest/globals'
import { findRuntimes, runtimeFolders } from './runtimes.ts'

const root = mkdtempSync(join(tmpdir(), 'skiff-runtimes-'))
afterAll(() => rmSync(root, { recursive: true }))

function folder(name: string, ...programs: string[]): string {
  const path = join(root, name)
  mkdirSync(path)
  for (const program of programs) {
    writeFileSync(join(path, program), '')
    chmodSync(join(path, program), 0o755)
  }
  return path
}

test('what is installed is found under its name; the first folder counts', async () => {
  const toolkit = folder('toolkit', 'nvidia-container-runtime')
  const bin = folder(
    'bin',
    'nvidia-container-runtime',
    'nvidia-container-runtime.cdi',
    'crun',
    'containerd-shim-spin-v2',
  )
  expect(await findRuntimes([toolkit, bin])).toEqual([
    { name: 'crun', type: 'io.containerd.runc.v2', binary: join(bin, 'crun') },
    { name: 'nvidia', type: 'io.containerd.runc.v2', binary: join(toolkit, 'nvidia-container-runtime') },
    { name: 'nvidia-cdi', type: 'io.containerd.runc.v2', binary: join(bin, 'nvidia-container-runtime.cdi') },
    { name: 'spin', type: 'io.containerd.spin.v2' },
  ])
})

test('what cannot be run does not count', async () => {
  const odd = folder('odd')
  mkdirSync(join(odd, 'crun'))
  writeFileSync(join(odd, 'nvidia-container-runtime'), '', { mode: 0o644 })
  expect(await findRuntimes([odd, join(root, 'nowhere')])).toEqual([])
})

test('operators’ folders go before PATH, the usual ones after it', () => {
  expect(runtimeFolders('/home/me/bin:/usr/bin')).toEqual([
    '/usr/local/nvidia/toolkit',
    '/opt/kwasm/bin',
    '/home/me/bin',
    '/usr/bin',
    '/usr/sbin',
    '/usr/local/bin',
    '/usr/local/sbin',
  ])
})
