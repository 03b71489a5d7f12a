/** Makes tar and chart archives for tests, sound ones and hostile ones. */
import { gzipSync } from 'node:zlib'

export interface PackedFile {
  readonly name: string
  readonly data?: string | Uint8Array
  /** POSIX type flag; "0" by default. */
  readonly type?: string
  readonly magic?: 'ustar' | 'gnu' | 'v7'
}

/** A tar archive of ustar headers, each exactly as given. */
export function tarOf(files: readonly PackedFile[]): Buffer {
  return Buffer.concat([...files.flatMap(blocksOf), Buffer.alloc(1024)])
}

export function packChart(files: readonly PackedFile[]): Buffer {
  return gzipSync(tarOf(files))
}

/** An archive with the top folder `name` of texts by path. */
export function chartArchive(name: string, files: { readonly [path: string]: string | Uint8Array }): Buffer {
  return packChart(Object.entries(files).map(([path, data]) => ({ name: `${name}/${path}`, data })))
}

function blocksOf(file: PackedFile): Buffer[] {
  const data = Buffer.from(file.data ?? '')
  const header = Buffer.alloc(512)
  header.write(file.name, 0, 100)
  header.write('0000644\0', 100)
  header.write(`${data.length.toString(8).padStart(11, '0')}\0`, 124)
  header.write('        ', 148)
  header.write(file.type ?? '0', 156)
  if (file.magic !== 'v7') header.write(file.magic === 'gnu' ? 'ustar  \0' : 'ustar\x0000', 257)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return [header, data, Buffer.alloc((512 - (data.length % 512)) % 512)]
}
