import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, describe, expect, test } from '@jest/globals'
import { loadDirectory } from './directory.ts'
import { loadArchive, loadBase64 } from './load.ts'
import { chartArchive, packChart } from './testing/pack.ts'

const chartYaml = 'apiVersion: v2\nname: web\nversion: 1.2.3\n'
const folders: string[] = []
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

function folderOf(files: { readonly [path: string]: string }): string {
  const folder = mkdtempSync(join(tmpdir(), 'chart-'))
  folders.push(folder)
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  return folder
}

const names = (files: readonly { name: string }[]) => files.map(({ name }) => name)

test('an archive becomes a chart', () => {
  const chart = loadArchive(
    chartArchive('web', {
      'Chart.yaml': `\uFEFF${chartYaml}appVersion: 1.10\nkeywords: [a, 1, true]\nannotations: {q: 1, b: no}\nUnknown: x\n`,
      'values.yaml': 'port: 80\n---\nport: 81\nnested: {a: null}\n',
      'values.schema.json': '{}',
      'Chart.lock': 'digest: x\ngenerated: "2024-01-01T00:00:00Z"\n',
      'templates/a.yaml': 'a',
      'templates/sub/_b.tpl': 'b',
      'crds/c.yaml': 'c',
      'README.md': 'r',
      'charts/sub/Chart.yaml': 'name: sub\nversion: 0.1.0\n',
      'charts/sub/requirements.yaml': 'dependencies:\n- name: deep\n  version: ">=0"\n  repository: ""\n',
      'charts/sub/charts/deep-1.tgz': chartArchive('deep', { 'Chart.yaml': 'name: deep\nversion: v1\n' }),
      'charts/_off/Chart.yaml': 'nonsense: [',
      'charts/.off': '',
      'charts/web.prov': 'p',
    }),
  )
  expect(chart.metadata).toEqual({
    apiVersion: 'v2',
    name: 'web',
    version: '1.2.3',
    appVersion: '1.1',
    keywords: ['a', '1', 'true'],
    annotations: { q: '1', b: 'false' },
  })
  expect(chart.values).toEqual({ port: 81, nested: { a: null } })
  expect(names(chart.templates)).toEqual(['templates/a.yaml', 'templates/sub/_b.tpl'])
  expect(names(chart.files)).toEqual(['crds/c.yaml', 'README.md', 'charts/web.prov'])
  expect(Buffer.from(chart.schema!).toString()).toBe('{}')
  const [sub] = chart.dependencies
  expect(sub?.metadata).toEqual({
    apiVersion: 'v1',
    name: 'sub',
    version: '0.1.0',
    dependencies: [{ name: 'deep', version: '>=0', repository: '' }],
  })
  expect(names(sub!.files)).toEqual(['requirements.yaml'])
  expect(sub?.dependencies[0]?.metadata).toMatchObject({ name: 'deep', version: 'v1' })
})

describe('names in archives', () => {
  const load = (...entries: string[]) =>
    loadArchive(packChart([{ name: 'web/Chart.yaml', data: chartYaml }, ...entries.map(name => ({ name, data: 'x' }))]))

  test.each([
    ['web/../../etc/passwd', 'chart illegally references parent directory'],
    ['web//etc/passwd', 'chart illegally contains absolute paths'],
    ['web', 'chart illegally contains content outside the base directory: "web"'],
    ['web/c:/windows', 'chart contains illegally named files'],
    ['web\\..\\..\\boot.ini', 'chart illegally references parent directory'],
    ['Chart.yaml/x', 'chart yaml not in base directory'],
  ])('%s is refused', (name, message) => {
    expect(() => load(name)).toThrow(`unable to load chart archive: ${message}`)
  })

  test("Windows' separators, dots and long names are read", () => {
    const pax = (record: string) => {
      const length = [1, 2, 3].map(digits => record.length + digits + 1).find(l => `${l} ${record}`.length === l)!
      return `${length} ${record}`
    }
    const long = `web/${'x'.repeat(150)}`
    const archive = packChart([
      { name: 'web\\Chart.yaml', data: chartYaml },
      { name: 'web/./a/../b.txt', data: 'b' },
      { name: 'g', type: 'g', data: pax('comment=x\n') },
      { name: 'p', type: 'x', data: pax(`path=${long}1\n`) },
      { name: 'short', data: '1' },
      { name: '././@LongLink', type: 'L', data: `${long}2\0`, magic: 'gnu' },
      { name: 'short', data: '2', magic: 'gnu' },
      { name: 'web/folder/', type: '5' },
      { name: 'web/link', type: '2', data: '' },
      { name: 'web/old', magic: 'v7', data: 'o' },
    ])
    expect(names(loadArchive(archive).files)).toEqual([
      'b.txt',
      `${'x'.repeat(150)}1`,
      `${'x'.repeat(150)}2`,
      'link',
      'old',
    ])
  })
})

describe('what is no chart is refused in one line', () => {
  const big = 'x'.repeat(5 * 1024 * 1024 + 1)
  test.each<[string, Uint8Array, string | RegExp]>([
    [
      'text',
      Buffer.from('hello'),
      "file 'c.tgz' does not appear to be a gzipped archive; got 'text/plain; charset=utf-8'",
    ],
    ['a page', Buffer.from('<!DOCTYPE html><html>'), /got 'text\/html; charset=utf-8'/],
    ['bytes', Buffer.from([1, 2, 3]), /got 'application\/octet-stream'/],
    ['cut off', chartArchive('web', { 'Chart.yaml': chartYaml }).subarray(0, 40), /unexpected EOF/],
    ['gzip of text', gzipSync('hello'), 'unable to load chart archive: unexpected EOF'],
    ['gzip of a block', gzipSync('h'.repeat(512)), 'unable to load chart archive: archive/tar: invalid tar header'],
    ['empty', packChart([]), 'unable to load chart archive: no files in chart archive'],
    ['no Chart.yaml', chartArchive('web', { a: '' }), 'unable to detect chart version, no Chart.yaml found'],
    [
      'too large a file',
      chartArchive('web', { 'Chart.yaml': chartYaml, big }),
      /file "web\/big" is larger than the maximum file size 5242880/,
    ],
    [
      'a bomb',
      gzipSync(Buffer.alloc(200 * 1024 * 1024)),
      /decompressed chart is larger than the maximum size 104857600/,
    ],
    ['apiVersion', chartArchive('web', { 'Chart.yaml': 'apiVersion: v9\nname: a\n' }), 'unsupported chart version'],
    [
      'values',
      chartArchive('web', { 'Chart.yaml': chartYaml, 'values.yaml': '- a' }),
      'cannot load values.yaml: cannot unmarshal yaml document: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go value of type map[string]interface {}',
    ],
    [
      'a subchart',
      chartArchive('web', { 'Chart.yaml': chartYaml, 'charts/x/a': '' }),
      'error unpacking subchart x in web: Chart.yaml file is missing',
    ],
    [
      'a file in charts/',
      chartArchive('web', { 'Chart.yaml': chartYaml, 'charts/README.md': '' }),
      'error unpacking subchart README.md in web: Chart.yaml file is missing',
    ],
  ])('%s', (_, bytes, message) => {
    expect(() => loadArchive(bytes, 'c.tgz')).toThrow(message)
  })

  test('an archive that holds itself', () => {
    let archive = chartArchive('web', { 'Chart.yaml': chartYaml })
    for (let level = 0; level < 25; level++)
      archive = chartArchive('web', { 'Chart.yaml': chartYaml, 'charts/web.tgz': archive })
    expect(() => loadArchive(archive)).toThrow(/chart archives are nested too deeply/)
  })

  test.each([
    ['', 'validation: chart.metadata.name is required'],
    ['name: a', 'validation: chart.metadata.version is required'],
    ['name: a/b\nversion: 1', 'validation: chart.metadata.name "a/b" is invalid'],
    ['name: ..\nversion: 1', 'validation: chart.metadata.name ".." is not allowed'],
    ['name: a\nversion: 1.x', 'validation: chart.metadata.version "1.x" is invalid'],
    ['name: a\nversion: 1\ntype: plugin', 'validation: chart.metadata.type must be application or library'],
    ['name: a\nversion: 1\nmaintainers: [null]', 'validation: maintainers must not contain empty or null nodes'],
    [
      'name: a\nversion: 1\nmaintainers: x',
      'cannot load Chart.yaml: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal string into Go struct field Metadata.maintainers of type []*v2.Maintainer',
    ],
    [
      'name: a\nversion: 1\nmaintainers: [{name: []}]',
      /array into Go struct field Maintainer.maintainers.name of type string/,
    ],
    ['name: a\nversion: 1\nannotations: {a: {}}', /object into Go struct field Metadata.annotations of type string/],
    [
      'name: a\nversion: 1\ndependencies: [{name: b}, {name: c, alias: b}]',
      'validation: more than one dependency with name or alias "b"',
    ],
    [
      'name: a\nversion: 1\ndependencies: [{name: b, alias: b.c}]',
      'validation: dependency "b" has disallowed characters in the alias',
    ],
    [
      '- a',
      'cannot load Chart.yaml: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go value of type loader.chartBase',
    ],
  ])('Chart.yaml %j', (text, message) => {
    expect(() => loadArchive(chartArchive('a', { 'Chart.yaml': text }))).toThrow(message)
  })

  test('base64', () => {
    const content = chartArchive('web', { 'Chart.yaml': chartYaml }).toString('base64')
    expect(loadBase64(content.replace(/(.{76})/g, '$1\n')).metadata.name).toBe('web')
    expect(() => loadBase64('%%%')).toThrow('chart content is not valid base64')
  })
})

describe('folders', () => {
  test('.helmignore leaves out what it names', () => {
    const folder = folderOf({
      'Chart.yaml': chartYaml,
      '.helmignore': '\uFEFF# comment\n*.bak\n/root.txt\ndocs/\nci/*.yaml\n',
      'templates/.hidden': '',
      'templates/a.yaml': '',
      'templates/a.bak': '',
      'root.txt': '',
      'deep/root.txt': '',
      'docs/x': '',
      'ci/a.yaml': '',
      'ci/deep/a.yaml': '',
    })
    const chart = loadDirectory(folder)
    expect(names(chart.templates)).toEqual(['templates/a.yaml'])
    expect(names(chart.files)).toEqual(['.helmignore', 'ci/deep/a.yaml', 'deep/root.txt'])
  })

  test('links are followed, never in a circle', () => {
    const folder = folderOf({ 'Chart.yaml': chartYaml, 'real/a': 'x' })
    symlinkSync(join(folder, 'real'), join(folder, 'link'))
    expect(names(loadDirectory(folder).files)).toEqual(['link/a', 'real/a'])
    symlinkSync(folder, join(folder, 'real/up'))
    expect(() => loadDirectory(folder)).toThrow(/the link leads back to a folder above it/)
  })

  test.each(['a**b', '[a'])('a wrong .helmignore: %s', line => {
    expect(() => loadDirectory(folderOf({ 'Chart.yaml': chartYaml, '.helmignore': line }))).toThrow(
      /double-star|syntax error/,
    )
  })

  test('no chart there', () => {
    expect(() => loadDirectory('/nonexistent')).toThrow(
      'unable to detect chart at /nonexistent/Chart.yaml: open /nonexistent/Chart.yaml: no such file or directory',
    )
  })
})
