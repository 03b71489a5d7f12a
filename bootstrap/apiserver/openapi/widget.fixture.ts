/** A custom kind for the suites of this folder. */
import type { Kind } from '../kinds/kind.ts'

const raw = {
  description: 'A Widget is made of parts.',
  type: 'object',
  properties: {
    spec: {
      type: 'object',
      required: ['size'],
      properties: {
        size: { type: 'integer', format: 'int32', description: 'How big it is.', minimum: 0 },
        port: { 'x-kubernetes-int-or-string': true, anyOf: [{ type: 'integer' }, { type: 'string' }] },
        note: { type: 'string', nullable: true },
        parts: { type: 'array', items: { type: 'object', additionalProperties: { type: 'string' } } },
        open: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true, properties: { a: { type: 'string' } } },
      },
    },
  },
}

/** Widgets of example.com; `validation` replaces their schema. */
export function widgets(version = 'v1', validation: { readonly [keyword: string]: unknown } = raw): Kind {
  return {
    group: 'example.com',
    version,
    kind: 'Widget',
    listKind: 'WidgetList',
    resource: 'widgets',
    singular: 'widget',
    shortNames: ['w'],
    categories: [],
    namespaced: true,
    verbs: ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'],
    subresources: [{ name: 'status', kind: 'Widget', verbs: ['get', 'patch', 'update'] }],
    schema: { type: 'object', validation },
    strategy: {},
    storage: { group: 'example.com', resource: 'widgets', version },
    custom: true,
  }
}
