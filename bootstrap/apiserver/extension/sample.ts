/** A sample definition for tests. */
import type { CustomResourceDefinition, CustomResourceDefinitionVersion } from '../../api/types.gen.ts'

/** things.example.io in one version, with changes to that version. */
export function crd(version: Partial<CustomResourceDefinitionVersion> = {}): CustomResourceDefinition {
  const spec = {
    type: 'object',
    required: ['size'],
    properties: {
      size: { type: 'integer', minimum: 1 },
      color: { type: 'string', default: 'red' },
      replicas: { type: 'integer' },
    },
  }
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'things.example.io', uid: 'crd-1', generation: 1 },
    spec: {
      group: 'example.io',
      scope: 'Namespaced',
      names: { plural: 'things', kind: 'Thing', shortNames: ['th'] },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          schema: {
            openAPIV3Schema: {
              type: 'object',
              properties: { spec, status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
            },
          },
          ...version,
        },
      ],
    },
  }
}
