/**
 * The stored form of a release: base64 of gzipped JSON, with the fields, their order and their omissions as Helm 4.1.4
 * writes them (pkg/storage/driver/util.go, pkg/release/v1). Older forms are read too: uncompressed, empty strings for times.
 */
import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import type { Chart, ChartDependency, ChartFile, ChartMetadata, JsonObject } from '../chart/chart.ts'
import { resolveDependencies } from '../chart/dependencies.ts'
import { copyTable } from '../chart/tables.ts'
import { stringifyValues } from '../chart/values.ts'
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
  const text = stringifyValues({
    ...present({ name }),
    info: present({ first_deployed, last_deployed, deleted, description, status, notes, ...moreInfo }),
    ...(chart ? { chart: { ...chart, values: sorted(chart.values) } } : {}),
    ...present({ config: sorted(config), manifest, hooks: hooks?.map(hookJson), version, namespace, apply_method }),
    ...unknown,
  } as unknown as JsonObject)
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

/** Leaves out what Go's omitempty does: zero, false, "", and empty lists and objects. */
function present(members: { readonly [name: string]: unknown }): object {
  return Object.fromEntries(
    Object.entries(members).filter(
      ([, value]) =>
        value !== undefined &&
        value !== null &&
        value !== '' &&
        value !== 0 &&
        value !== false &&
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

/**
 * What a release keeps of its chart: without subcharts, but with what they brought into its values. Throws Error when the
 * values do not fit the subcharts.
 */
export function chartRecord(chart: Chart, values: JsonObject): Release['chart'] {
  const { metadata, lock, templates, values: defaults, schema, files: others } = resolved(chart, values)
  const record = {
    metadata: metadataRecord(metadata),
    lock: lock ?? null,
    templates: files(templates),
    values: defaults,
    schema: schema ? base64(schema) : null,
    schemamodtime: zeroTime,
    files: files(others),
  }
  return record
}

/** In the order of Go's fields. */
function metadataRecord(metadata: ChartMetadata): ChartMetadata {
  const { name, home, sources, version, description, keywords, maintainers, icon, apiVersion } = metadata
  const { condition, tags, appVersion, deprecated, annotations, kubeVersion, dependencies, type } = metadata
  return present({
    ...{ name, home, sources, version, description, keywords },
    maintainers: maintainers?.map(({ name, email, url }) => present({ name, email, url })),
    ...{ icon, apiVersion, condition, tags, appVersion, deprecated },
    ...{ annotations: sorted(annotations), kubeVersion, dependencies: dependencies?.map(dependencyRecord), type },
  }) as ChartMetadata
}

function dependencyRecord(dependency: ChartDependency): object {
  const { name, version, repository = '', condition, tags, enabled, alias } = dependency
  const rest = present({ condition, tags, enabled, 'import-values': dependency['import-values'], alias })
  return { name, ...present({ version }), repository, ...rest }
}

const resolved = (chart: Chart, values: JsonObject) => resolveDependencies(chart, copyTable(values), () => {})

const files = (list: readonly ChartFile[]) => list.map(({ name, data }) => ({ name, data: base64(data) }))
const base64 = (data: Uint8Array) => Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64')
