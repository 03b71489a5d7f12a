/** A program without what only debuggers read: any processor's, with no tools for it. */

const headerSize = 64
const loadable = { type: 0, offset: 8, fileSize: 32 }

/** What of a 64-bit little-endian ELF file is loaded, and no section headers. Throws for another kind of file. */
export function stripped(file: Buffer): Buffer {
  if (file.length < headerSize || file.readUInt32BE(0) !== 0x7f454c46 || file[4] !== 2 || file[5] !== 1)
    throw new Error('not a 64-bit little-endian ELF file')
  const table = Number(file.readBigUInt64LE(32))
  const [size, count] = [file.readUInt16LE(54), file.readUInt16LE(56)]
  const ends = Array.from({ length: count }, (_, index) => {
    const at = table + index * size
    return Number(file.readBigUInt64LE(at + loadable.offset) + file.readBigUInt64LE(at + loadable.fileSize))
  })
  const kept = Buffer.from(file.subarray(0, Math.max(table + size * count, ...ends)))
  kept.writeBigUInt64LE(0n, 40) // where the section headers were
  kept.fill(0, 58, 64) // their size, their number, the one with their names
  return kept
}
