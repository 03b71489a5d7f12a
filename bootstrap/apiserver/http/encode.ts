/** Answers in the form a client negotiated. JSON of stored objects is sent as the bytes that were stored. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { StatusError } from '../../api/errors.ts'
import { failure } from '../../api/errors.ts'
import type { KubeObject } from '../../api/object.ts'
import { apiVersionOf } from '../../api/object.ts'
import { formatYaml } from '../../api/yaml.ts'
import type { Kind } from '../kinds/kind.ts'
import type { Stored } from '../store/store.ts'
import type { Listed } from '../verbs/read.ts'
import type { ApiResponse, ResponseBody } from './message.ts'
import type { Form } from './negotiate.ts'
import type { IncludeObject } from './table.ts'
import { partialMetadata, rowOf, tableHead } from './table.ts'

const newline = Buffer.from('\n')
const comma = Buffer.from(',')
const listEnd = Buffer.from(']}\n')

export interface View {
  readonly kind: Kind
  readonly form: Form
  readonly include: IncludeObject
  /** Epoch milliseconds, for ages. */
  readonly now: number
}

const contentType = (form: Form) => ({
  'content-type': form.format === 'yaml' ? 'application/yaml' : 'application/json',
})

/** Any value as it is: Status, Scale, reviews. */
export function valueResponse(form: Form, status: number, value: unknown): ApiResponse {
  return { status, headers: contentType(form), body: valueBody(form, value) }
}

export function valueBody(form: Form, value: unknown): Buffer {
  if (form.format === 'yaml') return Buffer.from(formatYaml(value))
  return Buffer.from(`${form.pretty ? JSON.stringify(value, null, 2) : JSON.stringify(value)}\n`)
}

/** One object of the view's kind. `bytes` are its JSON when known. Throws 406 when a list form was asked for. */
export function objectResponse(view: View, status: number, object: KubeObject, bytes?: Buffer): ApiResponse {
  const { form, kind } = view
  switch (form.as) {
    case 'Table': {
      const { resourceVersion } = object.metadata
      const rows = [rowOf(kind, form, object, view.include, view.now)]
      return valueResponse(form, status, { ...tableHead(kind, form, { resourceVersion }), rows })
    }
    case 'PartialObjectMetadata':
      return valueResponse(form, status, partialMetadata(form, object))
    case 'PartialObjectMetadataList':
      throw notAcceptable(
        `you requested PartialObjectMetadataList, but the requested object is not a list (*${kind.version}.${kind.kind})`,
      )
    default: {
      if (bytes && isPlainJson(form)) return { status, headers: contentType(form), body: [bytes, newline] }
      return valueResponse(form, status, object)
    }
  }
}

/** A page of objects. Throws 406 when the form of a single object was asked for. */
export async function listResponse(view: View, listed: Listed): Promise<ApiResponse> {
  const { form, kind } = view
  const metadata = {
    resourceVersion: String(listed.revision),
    ...(listed.continue === '' ? {} : { continue: listed.continue }),
    ...(listed.remaining === undefined ? {} : { remainingItemCount: listed.remaining }),
  }
  switch (form.as) {
    case 'Table': {
      const row = (item: Stored) => rowOf(kind, form, item.object, view.include, view.now)
      return await collectionResponse(form, tableHead(kind, form, metadata), 'rows', listed.items, row)
    }
    case 'PartialObjectMetadataList': {
      const head = { kind: 'PartialObjectMetadataList', apiVersion: `meta.k8s.io/${form.asVersion}`, metadata }
      const item = (stored: Stored) => partialMetadata(form, stored.object)
      return await collectionResponse(form, head, 'items', listed.items, item)
    }
    case 'PartialObjectMetadata':
      throw notAcceptable(
        `you requested PartialObjectMetadata, but the requested object is a list (*${kind.version}.${kind.listKind})`,
      )
    default: {
      const head = { kind: kind.listKind, apiVersion: apiVersionOf(kind), metadata }
      if (!isPlainJson(form)) return await collectionResponse(form, head, 'items', listed.items, item => item.object)
      return { status: 200, headers: contentType(form), body: joinItems(head, listed.items) }
    }
  }
}

function isPlainJson(form: Form): boolean {
  return form.format === 'json' && !form.pretty
}

function joinItems(head: object, items: readonly Stored[]): ResponseBody {
  const parts: Buffer[] = [Buffer.from(`${JSON.stringify(head).slice(0, -1)},"items":[`)]
  for (const [index, item] of items.entries()) {
    if (index > 0) parts.push(comma)
    parts.push(item.bytes)
  }
  parts.push(listEnd)
  return parts
}

/** A list whose items are made here, a slice at a time so that a long one does not hold up other requests. */
async function collectionResponse(
  form: Form,
  head: object,
  field: string,
  items: readonly Stored[],
  show: (item: Stored) => object,
): Promise<ApiResponse> {
  const { start, between, end, write, perTurn } =
    form.format === 'yaml' ? yamlList(head, field) : jsonList(form, head, field)
  if (items.length === 0) return valueResponse(form, 200, { ...head, [field]: [] })
  const parts: Buffer[] = [Buffer.from(start)]
  for (let from = 0; from < items.length; from += perTurn) {
    if (from > 0) await nextTurn()
    const texts = items.slice(from, from + perTurn).map(item => write(show(item)))
    parts.push(Buffer.from(`${from > 0 ? between : ''}${texts.join(between)}`))
  }
  parts.push(Buffer.from(end))
  return { status: 200, headers: contentType(form), body: parts }
}

interface ListSyntax {
  readonly start: string
  readonly between: string
  readonly end: string
  readonly write: (value: object) => string
  /** How many items may be written before others get their turn. */
  readonly perTurn: number
}

function jsonList(form: Form, head: object, field: string): ListSyntax {
  const write = (value: object) => (form.pretty ? JSON.stringify(value, null, 2) : JSON.stringify(value))
  const start = `${write(head).replace(/\n?\}$/, '')},${JSON.stringify(field)}:[`
  return { start, between: ',', end: ']}\n', write, perTurn: 200 }
}

/** Items are indented by two, which leaves block texts as they are. */
function yamlList(head: object, field: string): ListSyntax {
  const write = (value: object) =>
    `- ${formatYaml(value)
      .trimEnd()
      .replace(/\n(?=.)/g, '\n  ')}`
  return { start: `${formatYaml(head)}${field}:\n`, between: '\n', end: '\n', write, perTurn: 5 }
}

function notAcceptable(message: string): StatusError {
  return failure(406, 'NotAcceptable', message)
}
