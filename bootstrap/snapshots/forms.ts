/** The forms of snapshots, told by their first bytes. */
import { dumpMagic } from '../datastore/common/dump.ts'
import { trailerBytes, trailerMagic } from '../datastore/sqlite/trailer.ts'
import { sealedMagic } from './encryption.ts'
import type { SnapshotForm } from './snapshot.ts'

/** As many bytes tell what a file is. */
export const tellingBytes = 64

const sqliteMagic = Buffer.from('SQLite format 3\0')
const zipMagic = Buffer.from([0x50, 0x4b, 3, 4])
/** Of the first page of bbolt, after its header of 16 bytes: https://github.com/etcd-io/bbolt */
const boltMagic = Buffer.from([0xed, 0xda, 0x0c, 0xed])

export type Layer = SnapshotForm | 'zip' | 'sealed'

/** Undefined for anything else. */
export function layerOf(beginning: Buffer): Layer | undefined {
  const starts = (magic: Buffer, at = 0) => beginning.subarray(at, at + magic.length).equals(magic)
  if (starts(sealedMagic)) return 'sealed'
  if (starts(zipMagic)) return 'zip'
  if (starts(sqliteMagic)) return 'sqlite'
  if (starts(dumpMagic)) return 'dump'
  if (starts(boltMagic, 16)) return 'etcd'
  return undefined
}

/** What a form has at its end: a SHA-256 of all before it, and before that, where there is one, a magic that is not part of it. */
export const trailers: { readonly [form in SnapshotForm]: { readonly magic: Buffer; readonly bytes: number } } = {
  etcd: { magic: Buffer.alloc(0), bytes: 32 },
  sqlite: { magic: trailerMagic, bytes: trailerBytes },
  dump: { magic: Buffer.alloc(0), bytes: 32 },
}

/** What a snapshot of another kind of file usually is, for whoever took the wrong one. */
export const known =
  "a snapshot begins as a database of etcd or SQLite, as Skiff's dumps, as a .zip of one of these, or encrypted"
