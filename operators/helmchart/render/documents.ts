/** From rendered files to the release's objects: splitting, parsing, telling hooks from manifests, ordering. */
import type { KubeObject } from '../../../bootstrap/api/object.ts'
import { decodeStruct, isObject, type Struct } from '../chart/decode.ts'
import { readYaml } from '../yaml/unmarshal.ts'
import { installOrder, sortByKind } from './kind-order.ts'
import type { HookDeletePolicy, HookEvent, HookManifest, Manifest } from './rendered.ts'
import { baseName } from './scope.ts'

/** A document of a rendered file. */
export interface Document {
  readonly source: string
  readonly text: string
  readonly kind: string
  /** Undefined when there are only comments in it. */
  readonly object: KubeObject | undefined
}

export interface Sorted {
  readonly hooks: readonly HookManifest[]
  readonly documents: readonly Document[]
}

const head: Struct = {
  is: 'struct',
  name: 'SimpleHead',
  fields: {
    apiVersion: { is: 'string' },
    kind: { is: 'string' },
    metadata: {
      is: 'struct',
      name: '',
      goType: 'struct { Name string "json:\\"name\\""; Annotations map[string]string "json:\\"annotations\\"" }',
      fields: { name: { is: 'string' }, annotations: { is: 'map', of: { is: 'string' } } },
    },
  },
}

interface Head {
  readonly kind?: string
  readonly metadata?: { readonly name?: string; readonly annotations?: { readonly [name: string]: string } }
}

/**
 * Hooks and other documents of rendered files, each in the order in which kinds are installed. Documents with an unknown
 * hook event are left out, as Helm does. Throws Error("YAML parse error on FILE: ...").
 */
export function sortDocuments(files: ReadonlyMap<string, string>): Sorted {
  const hooks: HookManifest[] = []
  const documents: Document[] = []
  for (const source of [...files.keys()].sort(compareNames)) {
    if (baseName(source).startsWith('_')) continue
    for (const text of splitDocuments(files.get(source)!)) {
      const { value, facts } = parse(source, text)
      const events = facts.metadata?.annotations?.['helm.sh/hook']
      const object = isObject(value) ? (value as unknown as KubeObject) : undefined
      if (events === undefined) documents.push({ source, text, kind: facts.kind ?? '', object })
      else hooks.push(...hookOf({ source, text, object: object! }, events, facts.metadata!.annotations!))
    }
  }
  return {
    hooks: sortByKind(hooks, installOrder, ({ object }) => object.kind ?? ''),
    documents: sortByKind(documents, installOrder, ({ kind }) => kind),
  }
}

/** By code point, as Go sorts strings. */
function compareNames(a: string, b: string): number {
  return a === b ? 0 : Buffer.compare(Buffer.from(a), Buffer.from(b))
}

/** The documents of a YAML stream, trimmed; empty ones are left out. */
export function splitDocuments(text: string): string[] {
  return trim(text)
    .split(/(?:^|[\t\n\f\r ]*\n)---[\t\n\f\r ]*/)
    .filter(document => document !== '')
    .map(trim)
}

/** Go's TrimSpace: unlike String.trim it keeps a byte order mark. */
function trim(text: string): string {
  return text.replace(/^[\p{White_Space}]+/u, '').replace(/[\p{White_Space}]+$/u, '')
}

function parse(source: string, text: string): { value: unknown; facts: Head } {
  try {
    const value = readYaml(text)
    return { value, facts: decodeStruct(value, head, 'util.SimpleHead') as Head }
  } catch (error) {
    const message = (error as Error).message
    const stage = message.startsWith('json: ') ? 'error unmarshaling JSON: while decoding JSON: ' : ''
    throw new Error(`YAML parse error on ${source}: ${stage}${message}`, { cause: error })
  }
}

const events: { readonly [name: string]: HookEvent } = {
  'pre-install': 'pre-install',
  'post-install': 'post-install',
  'pre-delete': 'pre-delete',
  'post-delete': 'post-delete',
  'pre-upgrade': 'pre-upgrade',
  'post-upgrade': 'post-upgrade',
  'pre-rollback': 'pre-rollback',
  'post-rollback': 'post-rollback',
  test: 'test',
  // Helm 2's name for it.
  'test-success': 'test',
}

/** The hook, or nothing when one of its events is unknown. */
function hookOf(manifest: Manifest, names: string, annotations: { readonly [name: string]: string }): HookManifest[] {
  const named = words(names).map(name => (Object.hasOwn(events, name) ? events[name] : undefined))
  if (named.includes(undefined)) return []
  const policies = (annotation: string) => words(annotations[annotation])
  return [
    {
      ...manifest,
      events: named as HookEvent[],
      weight: weightOf(annotations['helm.sh/hook-weight']),
      deletePolicies: policies('helm.sh/hook-delete-policy') as HookDeletePolicy[],
      outputLogPolicies: policies('helm.sh/hook-output-log-policy') as HookManifest['outputLogPolicies'],
    },
  ]
}

function words(list: string | undefined): string[] {
  return list === undefined ? [] : list.split(',').map(word => word.trim().toLowerCase())
}

function weightOf(text = ''): number {
  return /^[-+]?\d+$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : 0
}
