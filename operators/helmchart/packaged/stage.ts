/** Puts the packaged charts into server/static/charts, where HelmCharts fetch them by https://%{KUBERNETES_API}%/static/charts/. */
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { done, type Operator } from '../../runtime/operator.ts'
import { packChart } from './pack.ts'

/** Every folder of `packaged` becomes one archive in `target`; other files there are left alone. */
export async function stageCharts(packaged: string, target: string): Promise<string[]> {
  const folders = (await readdir(packaged, { withFileTypes: true }).catch(() => [])).filter(entry =>
    entry.isDirectory(),
  )
  await mkdir(target, { recursive: true, mode: 0o700 })
  return Promise.all(
    folders.map(async ({ name }) => {
      const { file, archive } = await packChart(join(packaged, name))
      const path = join(target, file)
      const present = await readFile(path).catch(() => undefined)
      if (present && archive.equals(present)) return file
      await writeFile(`${path}.new`, archive, { mode: 0o600 })
      await rename(`${path}.new`, path)
      return file
    }),
  )
}

/** Stages once, at the start. */
export function packagedCharts(packaged: string, target: string): Operator {
  return {
    name: 'packaged-charts',
    watches: [],
    reconcile: async () => done,
    async run({ log }) {
      const files = await stageCharts(packaged, target)
      if (files.length > 0) log.debug({ files }, 'staged charts')
    },
  }
}
