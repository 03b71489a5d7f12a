/**
 * The part of Go's templates that path and owner patterns use: {{ .PVC.Name }}, {{ index .PVC.Labels "key" }}, {{ .PVName }},
 * texts in quotes, trimming.
 */
import type { PersistentVolumeClaim } from '../../bootstrap/client/resources.ts'
import { SettingsError } from './config.ts'

type Value = string | { readonly [key: string]: Value }

/** Fills a pattern in; what a claim does not have is an error with `strict`, else "<no value>". Throws SettingsError. */
export function fillPattern(pattern: string, volume: string, claim: PersistentVolumeClaim, strict: boolean): string {
  const { name = '', namespace = '', uid = '', labels = {}, annotations = {} } = claim.metadata
  const data: Value = {
    PVName: volume,
    PVC: { Name: name, Namespace: namespace, UID: uid, Labels: { ...labels }, Annotations: { ...annotations } },
  }
  const trimmed = pattern.replace(/\s*\{\{-\s/g, '{{ ').replace(/\s-\}\}\s*/g, ' }}')
  return trimmed.replace(/\{\{(.*?)\}\}|\{\{/gs, (_, action: string | undefined) => {
    if (action === undefined) throw new SettingsError(`${pattern}: unclosed action`)
    const value = evaluate(action.trim(), data, pattern)
    if (typeof value === 'string') return value
    if (value !== undefined || strict) throw new SettingsError(`${pattern}: {{${action}}} has no value`)
    return '<no value>'
  })
}

function evaluate(action: string, data: Value, pattern: string): Value | undefined {
  const quoted = /^"([^"]*)"$/.exec(action)
  if (quoted) return quoted[1]!
  const index = /^index\s+(\.[\w.]+)((?:\s+"[^"]*")+)$/.exec(action)
  if (index) {
    const keys = [...index[2]!.matchAll(/"([^"]*)"/g)].map(match => match[1]!)
    return keys.reduce<Value | undefined>(below, walk(index[1]!, data))
  }
  if (/^(\.\w+)+$/.test(action)) return walk(action, data)
  throw new SettingsError(
    `${pattern}: cannot read {{ ${action} }}: want a field like .PVC.Name, or index .PVC.Labels "key"`,
  )
}

const walk = (path: string, data: Value): Value | undefined =>
  path.slice(1).split('.').reduce<Value | undefined>(below, data)

function below(value: Value | undefined, key: string): Value | undefined {
  return typeof value === 'object' && Object.hasOwn(value, key) ? value[key] : undefined
}
