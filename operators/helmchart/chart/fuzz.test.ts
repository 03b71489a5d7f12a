import { gzipSync } from 'node:zlib'
import { expect, test } from '@jest/globals'
import { loadArchive } from './load.ts'
import { chartArchive, tarOf } from './testing/pack.ts'
import { userValues } from './values.ts'

/** Numbers below `limit`, the same ones on every run. */
function numbers(seed: number): (limit: number) => number {
  let state = seed
  return limit => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff
    return (state >> 8) % limit
  }
}

/** Damaged input either loads or is refused by an Error of one line; anything else is a bug of ours. */
function loads(act: () => unknown): boolean {
  try {
    act()
    return true
  } catch (error) {
    expect((error as Error).constructor).toBe(Error)
    expect((error as Error).message).toMatch(/^[^\n]{5,}$/)
    return false
  }
}

const files = [
  { name: 'web/Chart.yaml', data: 'apiVersion: v2\nname: web\nversion: 1.0.0\n' },
  { name: 'web/values.yaml', data: 'a: 1\nb: {c: [x, y]}\n' },
  { name: 'web/templates/a.yaml', data: 'kind: A\n' },
  { name: 'p', type: 'x', data: '19 path=web/long.txt\n' },
  { name: 'short', data: 'long' },
  { name: 'web/charts/sub/Chart.yaml', data: 'name: sub\nversion: 1.0.0\n' },
]

test('bytes of a tar changed, cut, repeated', () => {
  const sound = tarOf(files)
  const pick = numbers(1)
  let refused = 0
  for (let round = 0; round < 600; round++) {
    const bytes = Buffer.from(sound)
    for (let change = pick(4); change >= 0; change--) bytes[pick(bytes.length)] = pick(256)
    const from = pick(bytes.length)
    const damaged = pick(3) === 0 ? Buffer.concat([bytes.subarray(0, from), bytes.subarray(pick(from + 1))]) : bytes
    if (!loads(() => loadArchive(gzipSync(damaged, { level: 1 }), 'c.tgz'))) refused++
  }
  expect(refused).toBeGreaterThan(40)
})

test('bytes of the gzip changed', () => {
  const sound = chartArchive('web', { 'Chart.yaml': 'apiVersion: v2\nname: web\nversion: 1.0.0\n' })
  const pick = numbers(2)
  for (let round = 0; round < 500; round++) {
    const bytes = Buffer.from(sound)
    for (let change = pick(3); change >= 0; change--) bytes[pick(bytes.length)] = pick(256)
    loads(() => loadArchive(bytes.subarray(0, bytes.length - (pick(4) === 0 ? pick(bytes.length) : 0)), 'c.tgz'))
  }
})

const chartYaml = `apiVersion: v2
name: web
version: 1.2.3-rc.1+b
type: application
kubeVersion: ">=1.20.0-0 <2 || ~3.x"
appVersion: 1.10
maintainers: [{name: Ann, email: a@b.c}]
annotations: {a: b}
dependencies:
- {name: sub, version: ^1, alias: other, condition: "a.b,c", tags: [x], import-values: [data, {child: a, parent: b}]}
`
const pieces = [
  '\n',
  ' ',
  ':',
  '- ',
  '[',
  ']',
  '{',
  '}',
  '"',
  "'",
  '|',
  '&a ',
  '*a',
  '!!int ',
  'null',
  '1e9',
  '<<: ',
  '\t',
  '\0',
  '😀',
  '__proto__: ',
  '../',
  '\\',
]

test('Chart.yaml, values and --set of any shape', () => {
  const pick = numbers(3)
  const damage = (text: string): string => {
    let result = text
    for (let change = pick(4); change >= 0; change--) {
      const at = pick(result.length + 1)
      result = result.slice(0, at) + pieces[pick(pieces.length)] + result.slice(at + pick(4))
    }
    return result
  }
  // Helm repeats what it was given.
  const oneLine = (text: string) => damage(text).replaceAll('\n', '')
  let loaded = 0
  for (let round = 0; round < 600; round++) {
    const archive = chartArchive('web', {
      'Chart.yaml': damage(chartYaml),
      'requirements.yaml': damage('dependencies: []\n'),
    })
    if (loads(() => loadArchive(archive, 'c.tgz'))) loaded++
    loads(() => userValues({ files: [{ name: 'v', text: damage('a: 1\nb: {c: [x, y]}\n---\nd: e\n') }] }))
    loads(() =>
      userValues({ set: [oneLine('a.b[0].c=1,d={x,y},e=null')], setJson: [oneLine('a={"b": [1, "x"]},c=2')] }),
    )
  }
  expect(loaded).toBeGreaterThan(40)
})
