/** The log's tables in MySQL and MariaDB. */
import { EndpointError } from '../endpoint.ts'
import { bytes, type Session } from './session.ts'

const format = 1
const lockSeconds = 30

/** Keys are bytes: no collation has a say in their order. */
const tables = `
  CREATE TABLE IF NOT EXISTS skiff_log (
    revision BIGINT NOT NULL PRIMARY KEY,
    name VARBINARY(1024) NOT NULL,
    create_revision BIGINT NOT NULL,
    prev_revision BIGINT NOT NULL,
    deleted TINYINT NOT NULL,
    batch BIGINT NOT NULL,
    value LONGBLOB NOT NULL,
    KEY skiff_log_name (name, revision, deleted, create_revision)
  ) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;
  CREATE TABLE IF NOT EXISTS skiff_meta (
    name VARBINARY(32) NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
  ) ENGINE = InnoDB;
  INSERT IGNORE INTO skiff_meta VALUES ('revision', 0), ('compacted', 0);
  INSERT IGNORE INTO skiff_meta VALUES ('format', ${format})`

/** Creates the log where there is none; EndpointError when the database holds something else. */
export async function prepareSchema(session: Session, database: string): Promise<void> {
  await session.query(`SELECT GET_LOCK(CONCAT('skiff ', LEFT(SHA1(DATABASE()), 40)), ${lockSeconds})`)
  const found = await session.query<[Buffer | string][]>(
    `SELECT table_name FROM information_schema.tables
     WHERE table_schema = DATABASE() AND table_name IN ('skiff_log', 'skiff_meta', 'kine')`,
  )
  const names = new Set(found.map(([name]) => String(name)))
  if (names.has('kine') && !names.has('skiff_meta'))
    throw new EndpointError(
      `database "${database}" holds a K3s cluster (table kine), which Skiff cannot take over: name another database`,
    )
  const read = `SELECT value FROM skiff_meta WHERE name = ${bytes('format')}`
  let row = names.has('skiff_meta') ? (await session.query<[number][]>(read))[0] : undefined
  if (!row) {
    await session.query(tables)
    row = (await session.query<[number][]>(read))[0]
  }
  if (row?.[0] !== format)
    throw new EndpointError(`database "${database}" has format ${row?.[0]}, this version reads format ${format}`)
}
