import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { readConfigFiles } from './file.ts'
import { agentFlags, serverFlags } from './flags.ts'
import { ConfigError, parseFlags } from './parse.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'skiff-config-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

/** Writes files below the test's folder and parses them with the arguments given. */
async function parse(files: { [name: string]: string }, args: string[] = [], env: { [name: string]: string } = {}) {
  mkdirSync(join(folder, 'config.yaml.d'), { recursive: true })
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  const file = await readConfigFiles(join(folder, 'config.yaml'), serverFlags)
  return { values: parseFlags(serverFlags, file.args, args, env), unknown: file.unknown }
}

describe("K3s' own merge example", () => {
  const files = {
    'config.yaml': 'token: t\nnode-label:\n- foo=bar\n- bar=baz\n',
    'config.yaml.d/1.yaml': 'write-kubeconfig-mode: "600"\nnode-label: [test=me]\n',
    'config.yaml.d/2.yml': 'write-kubeconfig-mode: "777"\nnode-label:\n- other=what\n- foo=three\n',
    'config.yaml.d/3.txt': 'write-kubeconfig-mode: "444"\n',
  }

  test('the last file wins, lists are replaced, other endings are ignored', async () => {
    const { values } = await parse(files)
    expect(values.string('write-kubeconfig-mode')).toBe('777')
    expect(values.list('node-label')).toEqual(['other=what', 'foo=three'])
    expect(values.string('token')).toBe('t')
  })

  test('a key with + appends', async () => {
    const { values } = await parse({ ...files, 'config.yaml.d/2.yml': 'node-label+: [other=what]\n' })
    expect(values.list('node-label')).toEqual(['test=me', 'other=what'])
  })

  test('an argument beats the file, and is appended for a repeatable flag', async () => {
    const { values } = await parse(files, ['--write-kubeconfig-mode', '644', '--node-label=a=b'])
    expect(values.string('write-kubeconfig-mode')).toBe('644')
    expect(values.list('node-label')).toEqual(['other=what', 'foo=three', 'a=b'])
  })
})

test('a file beats the environment, which beats the default', async () => {
  const env = { K3S_NODE_NAME: 'from-env', K3S_DATA_DIR: '/from/env' }
  const { values } = await parse({ 'config.yaml': 'node-name: from-file\n' }, [], env)
  expect(values.string('node-name')).toBe('from-file')
  expect(values.string('data-dir')).toBe('/from/env')
  expect(values.int('https-listen-port')).toBe(6443)
  expect(values.given('https-listen-port')).toBe(false)
})

test('booleans, empty lists and unknown keys of a file', async () => {
  const { values, unknown } = await parse({ 'config.yaml': 'debug: true\ntls-san: []\ncluster-init: no\nshiny: 1\n' })
  expect(values.bool('debug')).toBe(true)
  expect(values.bool('cluster-init')).toBe(false)
  expect(values.list('tls-san')).toEqual([])
  expect(unknown).toEqual(['shiny'])
})

test.each([
  [
    ['--https-listen-prot', '1'],
    'flag provided but not defined: --https-listen-prot (did you mean --https-listen-port?)',
  ],
  [['--https-listen-port', 'x'], 'invalid value "x" for flag --https-listen-port: want a whole number'],
  [['--debug=maybe'], 'invalid value "maybe" for flag --debug: want true or false'],
  [['--data-dir'], 'flag needs an argument: --data-dir'],
  [['extra'], 'unexpected argument "extra": only flags are accepted here, see --help'],
])('%j is refused', async (args, message) => {
  await expect(parse({}, args)).rejects.toThrow(new ConfigError(message))
})

test('broken YAML names the file and the line', async () => {
  await expect(parse({ 'config.yaml': 'a: 1\nb: [\n' })).rejects.toThrow(/config\.yaml: line \d+, column \d+/)
  await expect(parse({ 'config.yaml': '- a\n' })).rejects.toThrow(/must be a mapping/)
})

test('a missing file is empty, and its drop-ins still count', async () => {
  const flags = (files: { [name: string]: string }) => parse(files).then(({ values }) => values)
  expect((await flags({})).given('node-name')).toBe(false)
  expect((await flags({ 'config.yaml.d/1.yaml': 'node-name: n' })).string('node-name')).toBe('n')
})

test('short names work, single dashes too', async () => {
  const { values } = await parse({}, ['-t', 'secret', '-d=/x', '-node-name', 'n'])
  expect([values.string('token'), values.string('data-dir'), values.string('node-name')]).toEqual(['secret', '/x', 'n'])
})

test('no flag is defined twice', async () => {
  for (const flags of [serverFlags, agentFlags]) {
    const names = flags.flatMap(flag => (flag.short === undefined ? [flag.name] : [flag.name, flag.short]))
    expect(names).toEqual([...new Set(names)])
  }
})
