/** What SQLite does on this disk on one thread, durably: rows of 2 KB per second. */
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import Database from 'better-sqlite3'

const value = Buffer.alloc(2048, 'x')

function perSecond(directory: string, transactions: number, inserts: number): number {
  const db = new Database(join(directory, `floor-${inserts}.db`))
  db.pragma('journal_mode = WAL')
  db.pragma('synchronous = FULL')
  db.exec('CREATE TABLE log (revision INTEGER PRIMARY KEY, key TEXT NOT NULL, value BLOB NOT NULL)')
  const insert = db.prepare('INSERT INTO log (key, value) VALUES (?, ?)')
  const group = db.transaction((from: number) => {
    for (let i = 0; i < inserts; i++) insert.run(`/r/${from}-${i}`, value)
  })
  const started = performance.now()
  for (let i = 0; i < transactions; i++) group(i)
  const ms = performance.now() - started
  db.close()
  return (transactions * inserts * 1000) / ms
}

export const sqliteSingle = (directory: string): number => perSecond(directory, 3000, 1)
export const sqliteGrouped = (directory: string): number => perSecond(directory, 300, 64)
