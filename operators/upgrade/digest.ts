/** The hash that says whether a node is up to date (upstream pkg/upgrade/plan DigestStatus; kubectl's pkg/util/hash). */
import { createHash } from 'node:crypto'
import type { Secret } from '../../bootstrap/client/resources.ts'
import { annotation, type Plan } from './plan.ts'
import type { FindSecret } from './validate.ts'

/**
 * SHA-224, hexadecimal, of the version, the service account, the fields that an annotation names, and the Secrets whose
 * changes count. Nothing else of the plan is in it. All Secrets must be there.
 */
export function planHash(plan: Plan, latestVersion: string, findSecret: FindSecret): string {
  const hash = createHash('sha224').update(latestVersion)
  hash.update(plan.spec.serviceAccountName ?? '')
  const fields = plan.metadata.annotations?.[annotation.digest]
  if (fields) for (const path of fields.split(',')) hash.update(fieldText(plan, path))
  for (const { name, ignoreUpdates } of plan.spec.secrets ?? []) {
    const secret = ignoreUpdates ? undefined : findSecret(name)
    if (secret) hash.update(secretHash(secret))
  }
  return hash.digest('hex')
}

/** What upstream's library makes of a field: of a list its first element, of a map the way Go prints it. */
function fieldText(plan: Plan, path: string): string {
  let value: unknown = plan
  for (const name of path.split('.')) value = isMap(value) ? value[name] : undefined
  const single = Array.isArray(value) ? value[0] : value
  return single === undefined || single === null ? '' : printed(single).trim()
}

function printed(value: unknown): string {
  if (value === undefined || value === null) return '<nil>'
  if (Array.isArray(value)) return `[${value.map(printed).join(' ')}]`
  if (!isMap(value)) return String(value)
  const pairs = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `map[${pairs.map(([key, each]) => `${key}:${printed(each)}`).join(' ')}]`
}

const isMap = (value: unknown): value is { readonly [name: string]: unknown } =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** kubectl's hash of a Secret: forty bits in letters that make no words. */
export function secretHash({ metadata, data, immutable, type }: Secret): string {
  const text = `{${Object.entries({
    data: data === undefined ? 'null' : sortedJson(data),
    ...(immutable === undefined ? {} : { immutable: String(immutable) }),
    kind: '"Secret"',
    name: JSON.stringify(metadata.name ?? ''),
    type: JSON.stringify(type ?? ''),
  })
    .map(([name, json]) => `"${name}":${json}`)
    .join()}}`
  const letters: { readonly [digit: string]: string } = { 0: 'g', 1: 'h', 3: 'k', a: 'm', e: 't' }
  const digits = createHash('sha256').update(text).digest('hex').slice(0, 10)
  return [...digits].map(digit => letters[digit] ?? digit).join('')
}

/** An object of JavaScript would have keys that are numbers first. */
function sortedJson(data: { readonly [key: string]: string }): string {
  const keys = Object.keys(data).sort()
  return `{${keys.map(key => `${JSON.stringify(key)}:${JSON.stringify(data[key])}`).join()}}`
}
