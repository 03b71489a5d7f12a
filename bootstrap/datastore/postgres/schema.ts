/** The log's tables in PostgreSQL, and the function that appends to it in one round trip. */
import { EndpointError } from '../endpoint.ts'
import type { Session } from './session.ts'

const format = 1

/** Any number will do as long as all servers take the same. */
export const schemaLock = 7_246_651_001

/** Servers say here that the log moved. */
export const channel = 'skiff_log'

const tables = `
  CREATE TABLE skiff_log (
    revision bigint PRIMARY KEY,
    key bytea NOT NULL,
    create_revision bigint NOT NULL,
    prev_revision bigint NOT NULL,
    deleted boolean NOT NULL,
    batch bigint NOT NULL,
    value bytea NOT NULL
  );
  CREATE INDEX skiff_log_key ON skiff_log (key, revision DESC) INCLUDE (deleted, create_revision);
  CREATE TABLE skiff_meta (name text PRIMARY KEY, value bigint NOT NULL) WITH (fillfactor = 10);
  INSERT INTO skiff_meta VALUES ('format', ${format}), ('revision', 0), ('compacted', 0);
`

/*
 * The row lock on 'revision' puts the batches of all servers in one order and is held until the batch is durable and visible,
 * so that a revision shows up only after all before it. What stood in a write's way is told as of then, also when it is asked
 * for again later. Each statement of the function sees what was committed before it
 * began, so the checks see everything up to the lock.
 */
const append = `
  CREATE FUNCTION skiff_append_1(
    batch_id bigint, since bigint, origin text, expected bigint[], deletes boolean[],
    key_starts int[], key_sizes int[], value_starts int[], value_sizes int[], data bytea
  ) RETURNS TABLE (
    n bigint, revision bigint, create_revision bigint, was_revision bigint, was_created bigint, was_value bytea
  ) LANGUAGE plpgsql AS $body$
  #variable_conflict use_column
  DECLARE
    head bigint;
    written bigint;
    last bigint;
  BEGIN
    SELECT m.value INTO STRICT head FROM skiff_meta m WHERE m.name = 'revision' FOR UPDATE;
    SELECT max(l.revision) INTO last FROM skiff_log l
      WHERE l.revision > since AND l.revision <= head AND l.batch = batch_id;
    IF last IS NOT NULL THEN
      head := since;
    ELSE
      INSERT INTO skiff_log
      SELECT head + row_number() OVER (ORDER BY w.n), w.key, coalesce(c.create_revision, head + row_number() OVER (ORDER BY w.n)),
             w.expected, w.deleted, batch_id, substring(data FROM w.value_start FOR w.value_size)
      FROM (
        SELECT u.n, u.expected, u.deleted, u.value_start, u.value_size, substring(data FROM u.key_start FOR u.key_size) AS key
        FROM unnest(expected, deletes, key_starts, key_sizes, value_starts, value_sizes) WITH ORDINALITY
          AS u(expected, deleted, key_start, key_size, value_start, value_size, n)
      ) w
      LEFT JOIN LATERAL (
        SELECT l.revision, l.create_revision, l.deleted FROM skiff_log l
        WHERE l.key = w.key ORDER BY l.revision DESC LIMIT 1
      ) c ON NOT c.deleted
      WHERE w.expected = coalesce(c.revision, 0);
      GET DIAGNOSTICS written = ROW_COUNT;
      last := head + written;
      IF written > 0 THEN
        UPDATE skiff_meta m SET value = last WHERE m.name = 'revision';
        PERFORM pg_notify('${channel}', last || ' ' || origin);
      END IF;
    END IF;
    RETURN QUERY
      SELECT w.n, own.revision, own.create_revision, was.revision, was.create_revision, was.value
      FROM (
        SELECT u.n, substring(data FROM u.key_start FOR u.key_size) AS key
        FROM unnest(key_starts, key_sizes) WITH ORDINALITY AS u(key_start, key_size, n)
      ) w
      LEFT JOIN LATERAL (
        SELECT l.revision, l.create_revision, l.prev_revision FROM skiff_log l
        WHERE l.key = w.key AND l.revision > head AND l.revision <= last AND l.batch = batch_id
      ) own ON true
      LEFT JOIN LATERAL (
        SELECT l.revision, l.deleted FROM skiff_log l
        WHERE l.key = w.key AND l.revision <= last ORDER BY l.revision DESC LIMIT 1
      ) newest ON own.revision IS NULL AND NOT newest.deleted
      LEFT JOIN skiff_log was ON was.revision = coalesce(own.prev_revision, newest.revision)
      ORDER BY w.n;
  END
  $body$
`

/** Creates the log where there is none; EndpointError when the database holds something else. */
export async function prepareSchema(session: Session, database: string): Promise<void> {
  await session.run('BEGIN')
  await session.query('SELECT pg_advisory_xact_lock($1)', [schemaLock])
  const [found] = await session.query<[boolean, boolean, boolean]>(
    `SELECT to_regclass('skiff_log') IS NOT NULL AND to_regclass('skiff_meta') IS NOT NULL,
            to_regclass('kine') IS NOT NULL, to_regproc('skiff_append_1') IS NOT NULL`,
  )
  const [ours, kine, hasAppend] = found!
  if (!ours && kine)
    throw new EndpointError(
      `database "${database}" holds a K3s cluster (table kine), which Skiff cannot take over: name another database`,
    )
  if (!ours) await session.run(tables)
  const [row] = await session.query<[number]>("SELECT value FROM skiff_meta WHERE name = 'format'")
  if (row?.[0] !== format)
    throw new EndpointError(`database "${database}" has format ${row?.[0]}, this version reads format ${format}`)
  if (!hasAppend) await session.run(append)
  await session.run('COMMIT')
}
