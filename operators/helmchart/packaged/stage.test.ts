import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { loadArchive } from '../chart/load.ts'
import { helmProgram } from '../sources/testing/registry.ts'
import { packChart } from './pack.ts'
import { stageCharts } from './stage.ts'

let base: string
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'skiff-packaged-'))
})
afterEach(() => rmSync(base, { recursive: true }))

function write(path: string, text: string): void {
  mkdirSync(dirname(join(base, path)), { recursive: true })
  writeFileSync(join(base, path), text)
}
const stage = () => stageCharts(join(base, 'charts'), join(base, 'static'))
const deep = `templates/${'folder/'.repeat(14)}a.yaml`

test('a folder becomes an archive that Helm and we can read', async () => {
  write('charts/web/Chart.yaml', 'apiVersion: v2\nname: web\nversion: 1.2.3+up1.0.0\n')
  write(`charts/web/${deep}`, 'a: 1\n')
  write('charts/web/values.yaml', 'b: 2\n')
  expect(await stage()).toEqual(['web-1.2.3+up1.0.0.tgz'])
  const path = join(base, 'static/web-1.2.3+up1.0.0.tgz')
  const chart = loadArchive(readFileSync(path))
  expect(chart.values).toEqual({ b: 2 })
  expect(chart.templates.map(({ name }) => name)).toEqual([deep])
  expect(execFileSync(helmProgram, ['show', 'values', path]).toString()).toContain('b: 2')
})

test('what is there already is left alone, what differs is replaced, and no charts are no trouble', async () => {
  expect(await stage()).toEqual([])
  write('charts/web/Chart.yaml', 'apiVersion: v2\nname: web\nversion: 1.0.0\n')
  write('static/own.tgz', 'the user’s')
  await stage()
  const file = join(base, 'static/web-1.0.0.tgz')
  const { ino } = statSync(file)
  await stage()
  expect(statSync(file).ino).toBe(ino)
  write('static/web-1.0.0.tgz', 'edited')
  await stage()
  expect(loadArchive(readFileSync(file)).metadata.name).toBe('web')
  expect(readdirSync(join(base, 'static')).sort()).toEqual(['own.tgz', 'web-1.0.0.tgz'])
})

/** A cluster that is upgraded gets a packaged chart's changes only with another version of it. */
test('packaged charts are what their version has been', async () => {
  const root = join(import.meta.dirname, '../../..')
  const digests = await Promise.all(
    ['traefik', 'traefik-crd'].map(async name => {
      const { file, archive } = await packChart(join(root, 'charts', name))
      const digest = createHash('sha256').update(gunzipSync(archive)).digest('hex').slice(0, 12)
      expect(readFileSync(join(root, 'manifests/traefik.yaml'), 'utf8')).toContain(`/static/charts/${file}\n`)
      return `${file} ${digest}`
    }),
  )
  // Whoever changes a chart raises its version, in Chart.yaml and in the manifest, and then notes it here.
  expect(digests).toEqual(['traefik-40.1.5+up40.1.0.tgz 885b279ba8fe', 'traefik-crd-40.1.4+up40.1.0.tgz 933457c3dcbb'])
})
