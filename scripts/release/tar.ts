/** Archives that are the same bytes for the same files: sorted, of one owner and one time. */

export interface ArchivedFile {
  /** Relative, at most 255 bytes in two parts as ustar has them. */
  readonly path: string
  readonly content: Uint8Array
  readonly executable?: boolean
}

const block = 512

/** A ustar archive of `files` and their folders, without the two empty blocks that end one (`endOfArchive`), so that archives can be joined. */
export function archive(files: readonly ArchivedFile[], time: number): Buffer {
  const folders = new Set(files.flatMap(({ path }) => ancestors(path)))
  const entries = [
    ...[...folders].map(path => ({ path: `${path}/`, content: new Uint8Array(), mode: 0o755 })),
    ...files.map(({ path, content, executable }) => ({ path, content, mode: executable ? 0o755 : 0o644 })),
  ].sort((a, b) => (a.path < b.path ? -1 : 1))
  return Buffer.concat(
    entries.flatMap(entry => [
      header(entry.path, entry.content.length, entry.mode, time),
      entry.content,
      Buffer.alloc((block - (entry.content.length % block)) % block),
    ]),
  )
}

export const endOfArchive = Buffer.alloc(2 * block)

function ancestors(path: string): string[] {
  const parts = path.split('/').slice(0, -1)
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'))
}

function header(path: string, size: number, mode: number, time: number): Buffer {
  const bytes = Buffer.alloc(block)
  const [prefix, name] = split(path)
  const number = (value: number, at: number, length: number) =>
    bytes.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at, 'latin1')
  bytes.write(name, 0)
  number(mode, 100, 8)
  number(0, 108, 8)
  number(0, 116, 8)
  number(size, 124, 12)
  number(time, 136, 12)
  bytes.write('        ', 148, 'latin1')
  bytes.write(path.endsWith('/') ? '5' : '0', 156, 'latin1')
  bytes.write('ustar\0' + '00', 257, 'latin1')
  bytes.write('root', 265, 'latin1')
  bytes.write('root', 297, 'latin1')
  bytes.write(prefix, 345)
  const sum = bytes.reduce((total, byte) => total + byte, 0)
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return bytes
}

function split(path: string): [prefix: string, name: string] {
  if (Buffer.byteLength(path) <= 100) return ['', path]
  const at = path.indexOf('/', path.length - 101)
  if (at < 0 || at > 155) throw new Error(`${path}: too long for an archive`)
  return [path.slice(0, at), path.slice(at + 1)]
}
