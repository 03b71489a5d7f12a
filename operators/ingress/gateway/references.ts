/** Cross-namespace references: allowed by a ReferenceGrant in the namespace that is referred to. */
import type { ReferenceGrant } from './types.ts'

export interface Reference {
  readonly from: { readonly group: string; readonly kind: string; readonly namespace: string }
  readonly to: { readonly group: string; readonly kind: string; readonly namespace: string; readonly name: string }
}

export function isGranted({ from, to }: Reference, grants: readonly ReferenceGrant[]): boolean {
  if (from.namespace === to.namespace) return true
  return grants.some(
    ({ metadata, spec }) =>
      metadata.namespace === to.namespace &&
      spec.from.some(
        item => item.group === from.group && item.kind === from.kind && item.namespace === from.namespace,
      ) &&
      spec.to.some(item => item.group === to.group && item.kind === to.kind && (item.name ?? to.name) === to.name),
  )
}
