/** Label and field selectors of lists and watches, as one predicate over stored objects. */
import { errors } from '../../api/errors.ts'
import type { KubeObject } from '../../api/object.ts'
import type { FieldSelector } from '../../api/selectors.ts'
import { parseFieldSelector, parseLabelSelector } from '../../api/selectors.ts'
import type { Kind } from '../kinds/kind.ts'
import type { Stored } from '../store/store.ts'
import { present } from './present.ts'

export interface Selection {
  /** Absent: everything matches. */
  readonly match: ((stored: Stored) => boolean) | undefined
  /** The only name that can match, when the field selector asks for one. */
  readonly name: string | undefined
}

/** Throws 400 for bad syntax, unknown fields, and a metadata.name other than the one in the URL. */
export function selectionOf(
  kind: Kind,
  query: { labelSelector: string; fieldSelector: string },
  urlName = '',
): Selection {
  const labels = query.labelSelector === '' ? undefined : parseLabelSelector(query.labelSelector)
  const fields = query.fieldSelector === '' ? undefined : knownFields(kind, parseFieldSelector(query.fieldSelector))
  const exact = fields?.requirements.find(({ field, op }) => field === 'metadata.name' && op === '=')?.value
  if (urlName !== '' && exact !== undefined && exact !== urlName) {
    throw errors.badRequest(`fieldSelector metadata.name doesn't match requested name`)
  }
  const name = urlName !== '' ? urlName : exact
  const onlyName = fields?.requirements.every(({ field, op }) => field === 'metadata.name' && op === '=') ?? true
  const tests: ((stored: Stored) => boolean)[] = []
  if (name !== undefined) tests.push(stored => stored.name === name)
  if (labels && labels.requirements.length > 0) tests.push(stored => labels.matches(stored.labels))
  if (fields && !onlyName) tests.push(stored => fields.matches(fieldsOf(kind, present(kind, stored).object)))
  const match = tests.length === 0 ? undefined : (stored: Stored) => tests.every(test => test(stored))
  return { match, name }
}

/** What field selectors see of an object. */
export function fieldsOf(kind: Kind, object: KubeObject): { readonly [field: string]: string } {
  return {
    'metadata.name': object.metadata.name ?? '',
    'metadata.namespace': object.metadata.namespace ?? '',
    ...kind.strategy.fields?.(object),
  }
}

function knownFields(kind: Kind, selector: FieldSelector): FieldSelector {
  const own = kind.strategy.fieldNames
  for (const { field } of selector.requirements) {
    if (field === 'metadata.name' || (field === 'metadata.namespace' && (kind.namespaced || own === undefined)))
      continue
    if (own?.includes(field)) continue
    throw errors.badRequest(
      own === undefined && !kind.custom
        ? `"${field}" is not a known field selector: only "metadata.name", "metadata.namespace"`
        : `field label not supported: ${field}`,
    )
  }
  return selector
}
