/** Numbers of the .zip format that writing and reading share. */

export const signature = {
  local: 0x04034b50,
  descriptor: 0x08074b50,
  central: 0x02014b50,
  end: 0x06054b50,
  end64: 0x06064b50,
  locator64: 0x07064b50,
}

export const flags = { encrypted: 1, sizesFollow: 8, utf8: 0x800 }
export const method = { stored: 0, deflate: 8 }
/** What a reader must know. */
export const needs = { plain: 20, zip64: 45 }
/** Made on Unix; a regular file of mode 0600. */
export const version = { unix: (3 << 8) | 45, ownerOnly: 0o100600 * 0x10000 }
/** Stands where the 64-bit form has the number. */
export const max32 = 0xffffffff
export const extraId64 = 1

/** Years before 1980 cannot be said. */
export function dosTime(at: Date): number {
  const year = Math.max(0, at.getFullYear() - 1980)
  const date = (year << 9) | ((at.getMonth() + 1) << 5) | at.getDate()
  const time = (at.getHours() << 11) | (at.getMinutes() << 5) | (at.getSeconds() >> 1)
  return date * 0x10000 + time
}

/** The extra field with both sizes. */
export function extra64(size: number, compressed: number): Buffer {
  const extra = Buffer.alloc(20)
  extra.writeUInt16LE(extraId64, 0)
  extra.writeUInt16LE(16, 2)
  extra.writeBigUInt64LE(BigInt(size), 4)
  extra.writeBigUInt64LE(BigInt(compressed), 12)
  return extra
}
