/**
 * The stored form of a release: base64 of gzipped JSON, with the fields, their order and their omissions as Helm 4.1.4
 * writes them (pkg/storage/driver/util.go, pkg/release/v1). Older forms are read too: uncompressed, empty strings for times.
 */
import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import type { Chart, ChartFile, JsonObject } from '../chart/chart.ts'
import type { Release, ReleaseHook } from './release.ts'

const compress = promisify(gzip)
const decompress = promisify(gunzip)
const zeroTime = '0001-01-01T00:00:00Z'

/** The text of `data.release`, before the Secret's own base64. */
export async function encodeRelease(release: Release): Promise<string> {
  return (await compress(releaseJson(release), { level: 9 })).toString('base64')
}

/** Reads what encodeRelease or any Helm 3 or 4 wrote. Throws when the text is neither base64 of JSON nor of gzipped JSON. */
export async function decodeRelease(text: string): Promise<Release> {
  const bytes = Buffer.from(text, 'base64')
  const zipped = bytes.length > 3 && bytes[0] === 0x1f && bytes[1] === 0x8b && bytes[2] === 8
  const raw = JSON.parse((zipped ? await decompress(bytes) : bytes).toString('utf8')) as Partial<Release>
  const { info, hooks, ...rest } = raw
  return {
    ...rest,
    name: raw.name ?? '',
    namespace: raw.namespace ?? '',
    version: raw.version ?? 0,
    manifest: raw.manifest ?? '',
    chart: raw.chart as Release['chart'],
    info: {
      ...info,
      first_deployed: timeOf(info?.first_deployed),
      last_deployed: timeOf(info?.last_deployed),
      deleted: timeOf(info?.deleted),
      description: info?.description ?? '',
      status: info?.status ?? 'unknown',
    },
    ...(hooks ? { hooks: hooks.map(readHook) } : {}),
  }
}

function readHook(hook: ReleaseHook): ReleaseHook {
  const run = hook.last_run as Partial<ReleaseHook['last_run']> | undefined
  return {
    ...hook,
    events: hook.events ?? [],
    last_run: {
      started_at: timeOf(run?.started_at),
      completed_at: timeOf(run?.completed_at),
      phase: run?.phase ?? '',
    },
  }
}

/** Helm 2's and early 3's zero times were written out. */
const timeOf = (text: string | undefined) => (text === undefined || text === zeroTime ? '' : text)

/** The JSON text Go's encoder makes of a release. */
export function releaseJson(release: Release): string {
  const {
    name,
    info,
    chart,
    config,
    manifest,
    hooks,
    version,
    namespace,
    apply_method,
    labels: _,
    ...unknown
  } = release
  const { first_deployed, last_deployed, deleted, description, status, notes, ...moreInfo } = info
  const text = JSON.stringify({
    ...present({ name }),
    info: present({ first_deployed, last_deployed, deleted, description, status, notes, ...moreInfo }),
    ...(chart ? { chart: { ...chart, values: sorted(chart.values) } } : {}),
    ...present({ config: sorted(config), manifest, hooks: hooks?.map(hookJson), version, namespace, apply_method }),
    ...unknown,
  })
  return text.replace(/[<>&\u2028\u2029]/g, escaped)
}

function hookJson(hook: ReleaseHook): object {
  const { name, kind, path, manifest, events, last_run, weight, delete_policies, output_log_policies } = hook
  const { started_at, completed_at, phase } = last_run
  return {
    ...present({ name, kind, path, manifest, events }),
    last_run: { ...present({ started_at, completed_at }), phase },
    ...present({ weight, delete_policies, output_log_policies }),
  }
}

/** Leaves out what Go's omitempty does: zero, "", and empty lists and objects. */
function present(members: { readonly [name: string]: unknown }): object {
  return Object.fromEntries(
    Object.entries(members).filter(
      ([, value]) =>
        value !== undefined &&
        value !== null &&
        value !== '' &&
        value !== 0 &&
        !(typeof value === 'object' && Object.keys(value).length === 0),
    ),
  )
}

/** Go writes the keys of maps in order. */
function sorted<T>(value: T): T {
  if (Array.isArray(value)) return value.map(sorted) as T
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, member]) => [key, sorted(member)]),
  ) as T
}

const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`

/** What a release keeps of its chart; subcharts are not stored. */
export function chartRecord(chart: Chart): Release['chart'] {
  const record = {
    metadata: chart.metadata,
    lock: chart.lock ?? null,
    templates: files(chart.templates),
    values: chart.values as JsonObject,
    schema: chart.schema ? base64(chart.schema) : null,
    schemamodtime: zeroTime,
    files: files(chart.files),
  }
  return record
}

const files = (list: readonly ChartFile[]) => list.map(({ name, data }) => ({ name, data: base64(data) }))
const base64 = (data: Uint8Array) => Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64')
