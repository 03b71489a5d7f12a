/** Packs a chart's folder as `helm package` does; the same files give the same bytes. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { parseYaml } from '../../../bootstrap/api/yaml.ts'

export interface PackedChart {
  /** "NAME-VERSION.tgz". */
  readonly file: string
  readonly archive: Buffer
}

export async function packChart(folder: string): Promise<PackedChart> {
  const chart = parseYaml(await readFile(join(folder, 'Chart.yaml'), 'utf8')) as { name?: string; version?: string }
  const { name, version } = chart
  if (!name || !version) throw new Error(`${join(folder, 'Chart.yaml')} lacks a name or a version`)
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const paths = entries
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name).slice(folder.length + 1))
  const blocks = await Promise.all(
    paths.sort().map(async path => tarEntry(`${name}/${path}`, await readFile(join(folder, path)))),
  )
  return { file: `${name}-${version}.tgz`, archive: gzipSync(Buffer.concat([...blocks.flat(), Buffer.alloc(1024)])) }
}

/** POSIX ustar. */
function tarEntry(path: string, data: Buffer): Buffer[] {
  const header = Buffer.alloc(512)
  const cut = path.length <= 100 ? -1 : path.indexOf('/', path.length - 101)
  if (Buffer.byteLength(path) > 255 || (path.length > 100 && cut < 0)) throw new Error(`the path ${path} is too long`)
  const octal = (value: number, length: number, at: number) =>
    header.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at)
  header.write(path.slice(cut + 1), 0)
  octal(0o644, 8, 100)
  octal(0, 8, 108)
  octal(0, 8, 116)
  octal(data.length, 12, 124)
  octal(0, 12, 136)
  header.write('        ', 148)
  header.write('0', 156)
  header.write('ustar\x0000', 257)
  if (cut >= 0) header.write(path.slice(0, cut), 345)
  header.write(
    `${header
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, '0')}\0 `,
    148,
  )
  return [header, data, Buffer.alloc((512 - (data.length % 512)) % 512)]
}
