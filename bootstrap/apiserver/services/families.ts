/** ipFamilies and ipFamilyPolicy of Services, as the cluster's own families allow. */

import type { Family } from '../../api/cidr.ts'
import { familyOf } from '../../api/cidr.ts'
import type { FieldError } from '../../api/errors.ts'
import { field } from '../../api/errors.ts'
import type { Draft } from '../../api/object.ts'
import type { ServiceSpec } from '../../api/types.gen.ts'

const both: readonly Family[] = ['IPv4', 'IPv6']

/** Fills what the client left open; returns what the cluster cannot do. `served` are its families, the primary one first. */
export function setFamilies(
  spec: Draft<ServiceSpec>,
  before: ServiceSpec | undefined,
  served: readonly Family[],
): FieldError[] {
  if (before) keepFamilies(spec, before)
  const headless = spec.clusterIP === 'None' || spec.clusterIPs?.[0] === 'None'
  const selectorless = Object.keys(spec.selector ?? {}).length === 0
  const families = familiesAsked(spec)
  if (headless && selectorless) {
    if (families.length === 0) families.push(served[0]!)
    if (families.length < 2 && spec.ipFamilyPolicy !== 'SingleStack') families.push(otherOf(families[0]!))
    spec.ipFamilyPolicy ??= families.length > 1 ? 'RequireDualStack' : 'SingleStack'
    spec.ipFamilies = families
    return []
  }
  spec.ipFamilyPolicy ??= families.length > 1 || (spec.clusterIPs?.length ?? 0) > 1 ? 'RequireDualStack' : 'SingleStack'
  const problems = notServed(families, spec.ipFamilyPolicy, served)
  if (problems.length > 0) return problems
  if (families.length === 0) families.push(served[0]!)
  if (spec.ipFamilyPolicy === 'SingleStack') spec.ipFamilies = families.slice(0, 1)
  else spec.ipFamilies = families.length < 2 && served.length > 1 ? [families[0]!, otherOf(families[0]!)] : families
  if (spec.ipFamilyPolicy === 'SingleStack' && (spec.clusterIPs?.length ?? 0) > 1) {
    spec.clusterIPs = spec.clusterIPs!.slice(0, 1)
  }
  return []
}

function keepFamilies(spec: Draft<ServiceSpec>, before: ServiceSpec): void {
  if (before.type === 'ExternalName') return
  if (before.ipFamilyPolicy !== undefined) spec.ipFamilyPolicy ??= before.ipFamilyPolicy
  if (!spec.ipFamilies?.length && before.ipFamilies) spec.ipFamilies = [...before.ipFamilies]
}

/** From ipFamilies, or from the addresses asked for. */
function familiesAsked(spec: Draft<ServiceSpec>): Family[] {
  if (spec.ipFamilies?.length) return [...spec.ipFamilies] as Family[]
  return (spec.clusterIPs ?? []).flatMap(address => familyOf(address) ?? [])
}

function notServed(families: readonly Family[], policy: string, served: readonly Family[]): FieldError[] {
  const problems: FieldError[] = families.flatMap((family, index) =>
    served.includes(family)
      ? []
      : [field.invalid(`spec.ipFamilies[${index}]`, family, 'not configured on this cluster')],
  )
  if (policy === 'RequireDualStack' && served.length < 2) {
    problems.push(
      field.invalid('spec.ipFamilyPolicy', policy, 'this cluster is not configured for dual-stack services'),
    )
  }
  return problems
}

const otherOf = (family: Family) => both.find(candidate => candidate !== family)!
