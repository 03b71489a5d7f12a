/** A minimal POSIX ustar writer: enough for image layers and archives built at run time. */

export interface TarEntry {
  /** Relative path, without leading slash; at most 100 bytes. */
  readonly path: string
  readonly type?: 'file' | 'directory' | 'symlink'
  /** Permission bits; 0644 for files, 0755 for directories by default. */
  readonly mode?: number
  readonly content?: Uint8Array
  readonly target?: string
}

const block = 512
const typeFlag = { file: '0', directory: '5', symlink: '2' } as const

function header(entry: TarEntry, size: number): Buffer {
  const { path, type = 'file', target = '' } = entry
  if (Buffer.byteLength(path) > 100) throw new Error(`tar path over 100 bytes: ${path}`)
  const mode = entry.mode ?? (type === 'directory' ? 0o755 : 0o644)
  const bytes = Buffer.alloc(block)
  const octal = (value: number, at: number, length: number) =>
    bytes.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at)
  bytes.write(type === 'directory' ? `${path.replace(/\/$/, '')}/` : path, 0)
  octal(mode, 100, 8)
  octal(0, 108, 8)
  octal(0, 116, 8)
  octal(size, 124, 12)
  octal(0, 136, 12)
  bytes.write('        ', 148)
  bytes.write(typeFlag[type], 156)
  bytes.write(target, 157)
  bytes.write('ustar\0' + '00', 257)
  const sum = bytes.reduce((total, byte) => total + byte, 0)
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return bytes
}

/** One archive of the entries in order; owner root, time 0, so that equal inputs give equal bytes. */
export function tar(entries: readonly TarEntry[]): Buffer {
  const parts: Buffer[] = []
  for (const entry of entries) {
    const content = entry.content ?? Buffer.alloc(0)
    parts.push(header(entry, content.length), Buffer.from(content))
    parts.push(Buffer.alloc((block - (content.length % block)) % block))
  }
  return Buffer.concat([...parts, Buffer.alloc(block * 2)])
}
