/** ResourceQuota. */
import { field } from '../../../api/errors.ts'
import { qualifiedNameErrors } from '../../../api/labels.ts'
import type { Draft } from '../../../api/object.ts'
import type { ResourceQuota } from '../../../api/types.gen.ts'
import type { Errors } from '../common/build.ts'
import { ageColumn, column, nameColumn, strategy } from '../common/build.ts'
import { immutable } from '../common/checks.ts'
import { textErrors } from '../common/metadata.ts'
import { nonNegativeQuantity, quantityOf, roundResources } from '../common/quantity.ts'

const scopes = [
  'BestEffort',
  'CrossNamespacePodAffinity',
  'NotBestEffort',
  'NotTerminating',
  'PriorityClass',
  'Terminating',
  'VolumeAttributesClass',
]
const counted = new Set([
  'pods',
  'services',
  'replicationcontrollers',
  'resourcequotas',
  'secrets',
  'configmaps',
  'persistentvolumeclaims',
  'services.nodeports',
  'services.loadbalancers',
])
const standard = new Set([
  ...counted,
  'cpu',
  'memory',
  'ephemeral-storage',
  'storage',
  'requests.cpu',
  'requests.memory',
  'requests.storage',
  'requests.ephemeral-storage',
  'limits.cpu',
  'limits.memory',
  'limits.ephemeral-storage',
])

function defaults(quota: Draft<ResourceQuota>): void {
  roundResources(quota.spec?.hard)
  roundResources(quota.status?.hard)
  roundResources(quota.status?.used)
}

function* validate(quota: ResourceQuota): Errors {
  yield* listErrors(quota.spec?.hard, 'spec.hard')
  for (const scope of quota.spec?.scopes ?? []) {
    if (!scopes.includes(scope)) yield field.invalid('spec.scopes', quota.spec?.scopes, 'unsupported scope')
  }
  for (const [index, term] of (quota.spec?.scopeSelector?.matchExpressions ?? []).entries()) {
    const at = `spec.scopeSelector.matchExpressions[${index}]`
    if (!scopes.includes(term.scopeName)) yield field.invalid(`${at}.scopeName`, term.scopeName, 'unsupported scope')
    if ((term.operator === 'In' || term.operator === 'NotIn') && !term.values?.length) {
      yield field.required(
        `${at}.values`,
        "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
      )
    }
    if ((term.operator === 'Exists' || term.operator === 'DoesNotExist') && term.values?.length) {
      yield field.invalid(
        `${at}.values`,
        term.values,
        "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
      )
    }
  }
}

function* listErrors(list: { readonly [resource: string]: string } | undefined, path: string): Errors {
  for (const [name, value] of Object.entries(list ?? {})) {
    const at = `${path}[${name}]`
    yield* textErrors(qualifiedNameErrors, name, at)
    if (!name.includes('/') && !standard.has(name) && !/^(requests\.)?hugepages-/.test(name)) {
      yield field.invalid(at, name, 'must be a standard resource for quota')
    }
    yield* nonNegativeQuantity(value, at)
    const whole = counted.has(name) || name.startsWith('count/')
    if (whole && quantityOf(value).nanos % 1_000_000_000n !== 0n) yield field.invalid(at, value, 'must be an integer')
  }
}

function* validateUpdate(quota: ResourceQuota, old: ResourceQuota): Errors {
  yield* immutable(quota.spec?.scopes ?? [], old.spec?.scopes ?? [], 'spec.scopes')
  yield* immutable(quota.spec?.scopeSelector, old.spec?.scopeSelector, 'spec.scopeSelector')
}

/** "pods: 1/10, requests.cpu: 1/2" for the limits or the rest of the quota. */
function usageText({ status }: ResourceQuota, limits: boolean): string {
  return Object.entries(status?.hard ?? {})
    .filter(([name]) => name.startsWith('limits') === limits)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, hard]) => `${name}: ${status?.used?.[name] ?? '0'}/${hard}`)
    .join(', ')
}

export const resourceQuota = strategy<ResourceQuota>({
  defaults,
  status: {},
  validate,
  validateUpdate,
  *validateStatusUpdate(quota) {
    yield* listErrors(quota.status?.hard, 'status.hard')
    yield* listErrors(quota.status?.used, 'status.used')
  },
  columns: [
    nameColumn,
    column('Request', object => usageText(object, false)),
    column('Limit', object => usageText(object, true)),
    ageColumn,
  ],
})
