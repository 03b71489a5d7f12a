import { describe, expect, test } from '@jest/globals'
import { findInIndex } from './chart-index.ts'

const entry = { version: '1.0.0', urls: ['web-1.tgz'], digest: 'd' }

describe('forms of one index', () => {
  const other = 'name: other\n  description: |\n    web:\n    - version: 9.9.9'
  const forms: { readonly [name: string]: string } = {
    'as helm writes it': `apiVersion: v1
entries:
  other:
  - urls: [x]
    version: 9.0.0
    description: |
      entries:
        web:
        - version: 8.8.8
  web:
  - apiVersion: v2
    dependencies:
    - name: sub
      version: 7.0.0
    digest: d
    name: web
    urls:
    - web-1.tgz
    version: 1.0.0
  - version: 0.9.0
    urls:
    - old.tgz
  zebra:
  - version: 9.0.0
generated: "2026-01-01T00:00:00Z"
`,
    'items further in': `entries:
    web:
        - urls:
            - web-1.tgz
          digest: d
          version: "1.0.0"   # the newest
        - version: '0.9.0'
          urls: [old.tgz]
`,
    'with comments, quotes and Windows line ends': [
      '# an index',
      '---',
      'entries:',
      '',
      '  # ours',
      '  "web":',
      '  - version: 1.0.0',
      '    digest: d',
      '    urls: [web-1.tgz]',
    ].join('\r\n'),
    'in flow style': 'entries: {web: [{version: 1.0.0, digest: d, urls: [web-1.tgz]}]}',
    'a chart in flow style': `entries:\n  web: [{version: 1.0.0, digest: d, urls: [web-1.tgz]}]\n`,
    JSON: JSON.stringify({ entries: { other: [], web: [entry, { version: '0.9.0', urls: ['old.tgz'] }] } }),
    'with an alias': `x: &w\n  - {version: 1.0.0, digest: d, urls: [web-1.tgz]}\nentries:\n  web: *w\n`,
    'with what is no version': `entries:\n  web:\n  - version: latest\n    urls: [bad]\n  - version: 1.0.0\n    digest: d\n    urls: [web-1.tgz]\n`,
  }
  test.each(Object.entries(forms))('%s', async (_, text) => {
    expect(await findInIndex(text, 'web', '')).toEqual(entry)
    await expect(findInIndex(text, 'nothing', '')).rejects.toThrow('no chart name found')
  })

  test('names that are keys of every object', async () => {
    await expect(findInIndex('{"entries":{}}', 'constructor', '')).rejects.toThrow('no chart name found')
  })

  test('text in a description is no entry', async () => {
    const text = `entries:\n  a:\n  - ${other}\n    version: 1.0.0\n    urls: [a]\n`
    await expect(findInIndex(text, 'web', '')).rejects.toThrow('no chart name found')
  })
})

test.each([
  ['', 'no chart name found'],
  ['just text', 'no chart name found'],
  ['entries:\n  web:\n', 'no chart version found for web-'],
  ['entries:\n  web: []\n', 'no chart version found for web-'],
  ['entries:\n  web:\n  - version: 1.0.0\n', 'chart "web" has no downloadable URLs'],
  ['entries: [', 'line 1'],
])('%j', async (text, message) => {
  await expect(findInIndex(text, 'web', '')).rejects.toThrow(message)
})

test('a version written in its own way wins over what compares equal', async () => {
  const item = (version: string) => `  - version: ${version}\n    urls: [${version}]\n`
  const text = `entries:\n  web:\n${['1.0.0+b', 'v1.0.0', '1.0.0', '2.0.0'].map(item).join('')}`
  expect((await findInIndex(text, 'web', '1.0.0')).urls).toEqual(['1.0.0'])
  expect((await findInIndex(text, 'web', '1.0.0+b')).urls).toEqual(['1.0.0+b'])
})

test('others get their turn while a large index is searched', async () => {
  const block = (name: number) =>
    `  chart${name}:\n${'  - version: 1.0.0\n    description: a rather long text about this chart\n    urls:\n    - x\n'.repeat(20)}`
  const text = `entries:\n${Array.from({ length: 5000 }, (_, name) => block(name)).join('')}`
  let turns = 0
  let running = true
  const tick = () => {
    turns++
    if (running) setImmediate(tick)
  }
  setImmediate(tick)
  expect((await findInIndex(text, 'chart4999', '')).version).toBe('1.0.0')
  running = false
  expect(turns).toBeGreaterThan(0)
})
