/**
 * Reads the tables of facts in bootstrap/apiserver/schema/facts: what Kubernetes' types are beyond client-node's models.
 * A package's file starts with "package NAME [GROUP/VERSION]"; then come its models, one a line with options, each with its
 * fields below, indented: name, protobuf number, options.
 *
 * Model options: kind (the model is a kind of the package's group version; kind=v1 of that one, kind=every of all),
 * map=atomic|granular, union=DISCRIMINATOR:FIELD,... Field options: list=atomic|set|map and keys=..., patch=... and
 * merge=..., map=..., default=..., type=... where client-node's type says less (Quantity, RawExtension, JSON, ...),
 * proto=items for lists that are a message of their own, and keep for optional fields Go writes even when empty.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const folder = join(import.meta.dirname, '../../bootstrap/apiserver/schema/facts')

export type Options = { readonly [option: string]: string }

/** One field: its protobuf number ("2.1" inside embedded message 2, "*" marks an optional scalar) and its options. */
export interface FieldFacts {
  readonly name: string
  readonly number: string
  readonly options: Options
}

export interface ModelFacts {
  readonly name: string
  readonly options: Options
  readonly fields: readonly FieldFacts[]
}

export interface PackageFacts {
  /** "io.k8s.api.apps.v1" */
  readonly name: string
  /** "apps/v1"; empty for packages that are not served. */
  readonly groupVersion: string
  readonly models: readonly ModelFacts[]
}

export interface ResourceFacts {
  readonly groupVersion: string
  readonly resource: string
  readonly kind: string
  readonly options: Options
  readonly subresources: readonly { readonly name: string; readonly kind: string; readonly options: Options }[]
}

function optionsOf(tokens: readonly string[]): Options {
  return Object.fromEntries(
    tokens.map(token => {
      const at = token.indexOf('=')
      return at < 0 ? [token, ''] : [token.slice(0, at), token.slice(at + 1)]
    }),
  )
}

function linesOf(file: string): string[] {
  const text = readFileSync(join(folder, file), 'utf8')
  return text.split('\n').filter(line => line !== '' && !line.startsWith('#'))
}

/** The facts of every package, one file each. */
export function readPackages(): PackageFacts[] {
  const files = readdirSync(folder).filter(file => file.endsWith('.txt') && file !== 'resources.txt')
  return files.sort().map(file => {
    const [head = '', ...lines] = linesOf(file)
    const [, name = '', groupVersion = ''] = head.split(' ')
    return { name, groupVersion, models: modelsOf(lines) }
  })
}

function modelsOf(lines: readonly string[]): ModelFacts[] {
  const models: (ModelFacts & { fields: FieldFacts[] })[] = []
  for (const line of lines) {
    const [name = '', ...tokens] = line.trim().split(' ')
    if (!line.startsWith(' ')) {
      models.push({ name, options: optionsOf(tokens), fields: [] })
      continue
    }
    const number = /^\d/.test(tokens[0] ?? '') ? tokens.shift()! : ''
    models.at(-1)!.fields.push({ name, number, options: optionsOf(tokens) })
  }
  return models
}

/** The served resources in discovery order. */
export function readResources(): ResourceFacts[] {
  const resources: (ResourceFacts & { subresources: ResourceFacts['subresources'][number][] })[] = []
  let groupVersion = ''
  for (const line of linesOf('resources.txt')) {
    const [name = '', ...tokens] = line.trim().split(' ')
    const kind = tokens[0] !== undefined && /^[A-Z]/.test(tokens[0]) ? tokens.shift()! : ''
    const options = optionsOf(tokens)
    if (line.startsWith(' ')) {
      const parent = resources.at(-1)!
      parent.subresources.push({ name, kind: kind === '' ? parent.kind : kind, options })
    } else if (kind === '') groupVersion = name
    else resources.push({ groupVersion, resource: name, kind, options, subresources: [] })
  }
  return resources
}
