/** Charts in folders. */
import { lstatSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { largestFile, withoutBom } from './archive.ts'
import type { Chart, ChartFile } from './chart.ts'
import { type Ignore, parseIgnore } from './ignore.ts'
import { checkApiVersion, loadFiles } from './load.ts'

/** Loads a chart from a folder, minding its .helmignore. Throws Error in Helm's words. */
export function loadDirectory(folder: string): Chart {
  checkApiVersion({ name: 'Chart.yaml', data: readChartFile(folder) })
  const ignore = parseIgnore(readIfThere(join(folder, '.helmignore')))
  return loadFiles([...filesBelow(folder, '', ignore)])
}

function readChartFile(folder: string): Uint8Array {
  const path = join(folder, 'Chart.yaml')
  try {
    return readFileSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    throw new Error(`unable to detect chart at ${path}: open ${path}: no such file or directory`, { cause: error })
  }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  }
}

/** Files in order of their names; symbolic links are followed, a link to a folder that holds it is not. */
function* filesBelow(root: string, below: string, ignore: Ignore, above: readonly string[] = []): Generator<ChartFile> {
  const folder = join(root, below)
  const real = realpathSync(folder)
  if (above.includes(real)) throw new Error(`error reading ${below}: the link leads back to a folder above it`)
  for (const entry of readdirSync(folder).sort()) {
    const name = below === '' ? entry : `${below}/${entry}`
    const path = join(root, name)
    const stat = lstatSync(path).isSymbolicLink() ? statSync(path) : lstatSync(path)
    if (ignore(name, stat.isDirectory())) continue
    if (stat.isDirectory()) yield* filesBelow(root, name, ignore, [...above, real])
    else if (!stat.isFile()) throw new Error(`cannot load irregular file ${path} as it has file mode type bits set`)
    else if (stat.size > largestFile)
      throw new Error(`chart file ${JSON.stringify(entry)} is larger than the maximum file size ${largestFile}`)
    else yield { name, data: withoutBom(readFileSync(path)) }
  }
}
