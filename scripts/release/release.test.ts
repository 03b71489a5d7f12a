import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { stripped } from './elf.ts'
import { buildFacts, dateOf } from './facts.ts'
import { hostArch, nodeFiles } from './runtime.ts'
import { archive, endOfArchive } from './tar.ts'

const root = join(import.meta.dirname, '../..')
let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'skiff-release-test-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

describe('archive', () => {
  const long = `${'a'.repeat(90)}/${'b'.repeat(90)}.txt`
  const files = [
    { path: 'bin/program', content: Buffer.from('#!/bin/sh\n'), executable: true },
    { path: 'a/text', content: Buffer.from('x'.repeat(1000)) },
    { path: long, content: Buffer.from('deep') },
  ]

  test('is what tar unpacks, with its modes and time', () => {
    writeFileSync(join(folder, 'a.tar'), Buffer.concat([archive(files, 1_000_000_000), endOfArchive]))
    execFileSync('tar', ['-x', '-f', 'a.tar'], { cwd: folder })
    for (const { path, content } of files) expect(readFileSync(join(folder, path))).toEqual(content)
    expect(statSync(join(folder, 'bin/program')).mode & 0o777).toBe(0o755)
    expect(statSync(join(folder, 'a/text'))).toMatchObject({ mtimeMs: 1_000_000_000_000 })
  })

  test('does not depend on the order of the files', () => {
    expect(archive([...files].reverse(), 5)).toEqual(archive(files, 5))
  })
})

test('a stripped program is smaller and runs', () => {
  const program = readFileSync('/bin/true')
  const path = join(folder, 'true')
  writeFileSync(path, stripped(program))
  chmodSync(path, 0o755)
  expect(spawnSync(path).status).toBe(0)
  expect(statSync(path).size).toBeLessThan(program.length)
  expect(() => stripped(Buffer.from('#!/bin/sh\n'))).toThrow('not a 64-bit little-endian ELF file')
})

test('a release has the licence of Node with it', () => {
  const { content } = nodeFiles(root, hostArch).find(({ path }) => path === 'licenses/node')!
  expect(content.toString()).toMatch(/^Node\.js is licensed for use as follows/)
})

describe('what a release tells of itself', () => {
  test('is taken from VERSION and SOURCE_DATE_EPOCH', () => {
    const facts = buildFacts(root, { VERSION: 'v1.36.3+skiff2', SOURCE_DATE_EPOCH: '1700000000' })
    expect(facts).toMatchObject({ version: 'v1.36.3+skiff2', time: 1_700_000_000 })
    expect(dateOf(facts)).toBe('2023-11-14T22:13:20Z')
  })

  test.each([
    [{ VERSION: '1.36' }, 'version "1.36": want one like v1.36'],
    [{ SOURCE_DATE_EPOCH: 'now' }, 'SOURCE_DATE_EPOCH "now": want seconds since 1970'],
  ])('%j is refused', (env, message) => {
    expect(() => buildFacts(root, env)).toThrow(message)
  })
})

test('a release starts Node as bin/skiff does', () => {
  const launch = (path: string) => {
    const text = readFileSync(join(root, path), 'utf8')
    return [/space=16 program=skiff/, /^ *kubectl:.*space=2 program=agent/m, /--max-semi.*Warning /].map(part =>
      part.exec(text)?.[0].trim(),
    )
  }
  expect(launch('scripts/release/head.sh')).toEqual(launch('bin/skiff'))
  expect(launch('bin/skiff')).not.toContain(undefined)
})

describe('the data-dir that a release unpacks into', () => {
  const head = readFileSync(join(root, 'scripts/release/head.sh'), 'utf8')
  const functions = ['fail', 'data_dir', 'in_files'].map(
    name => new RegExp(`^${name}\\(\\) \\{[^]*?^\\}$`, 'm').exec(head)![0],
  )

  /** What the script finds for these arguments; a configuration file of this text, and one beside it, are there. */
  function dataDir(args: readonly string[], { config = '', more = '', env = {} } = {}): string {
    const path = join(folder, 'config.yaml')
    mkdirSync(`${path}.d`, { recursive: true })
    writeFileSync(path, config)
    writeFileSync(`${path}.d/10-more.yaml`, more)
    const script = `name=k3s; ${functions.join('\n')}\ndata_dir "$@"`
    return execFileSync('sh', ['-c', script, 'sh', ...args], {
      env: { PATH: process.env.PATH, HOME: '/home/me', K3S_CONFIG_FILE: path, ...env },
      encoding: 'utf8',
    }).trim()
  }

  const ofRoot = process.getuid?.() === 0 ? '/var/lib/rancher/k3s' : '/home/me/.rancher/k3s'
  const env = { K3S_DATA_DIR: '/env' }
  const config = 'token: data-dir\ndata-dir: "/file" # on the big disk\n'
  test.each<[string, string[], object, string]>([
    ['nothing', ['server'], {}, ofRoot],
    ['the environment', ['server'], { env }, '/env'],
    ['the configuration file, before the environment', ['server'], { config, env }, '/file'],
    ['a file beside it', ['server'], { config, more: 'data-dir: /more\n' }, '/more'],
    ['a flag, before all', ['server', '--data-dir=/a b', '--debug'], { config, env }, '/a b'],
    ['a flag and its value', ['server', '-d', '/flag'], { config }, '/flag'],
    ['the last flag', ['--data-dir', '/one', '--data-dir', '/two'], {}, '/two'],
    ['a relative one', ['--data-dir=here'], {}, join(root, 'here')],
    [
      'another configuration file',
      ['server', '-c', '/nowhere'],
      { config, env: { ...env, K3S_CONFIG_FILE: '' } },
      '/env',
    ],
  ])('by %s', (_, args, given, wanted) => {
    expect(dataDir(args, given)).toBe(wanted)
  })
})
