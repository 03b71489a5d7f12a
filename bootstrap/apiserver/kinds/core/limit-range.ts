/** LimitRange. */
import { field } from '../../../api/errors.ts'
import { qualifiedNameErrors } from '../../../api/labels.ts'
import type { Draft } from '../../../api/object.ts'
import type { LimitRange, LimitRangeItem } from '../../../api/types.gen.ts'
import type { Errors } from '../common/build.ts'
import { strategy } from '../common/build.ts'
import { textErrors } from '../common/metadata.ts'
import { canonical, quantityOf, roundResources } from '../common/quantity.ts'

const lists = ['max', 'min', 'default', 'defaultRequest', 'maxLimitRequestRatio'] as const

function defaults(range: Draft<LimitRange>): void {
  for (const item of range.spec?.limits ?? []) {
    for (const list of lists) roundResources(item[list])
    if (item.type !== 'Container') continue
    item.default = { ...item.max, ...item.default }
    item.defaultRequest = { ...item.min, ...item.default, ...item.defaultRequest }
    if (Object.keys(item.default).length === 0) delete item.default
    if (Object.keys(item.defaultRequest).length === 0) delete item.defaultRequest
  }
}

function* validate(range: LimitRange): Errors {
  const seen = new Set<string>()
  for (const [index, item] of (range.spec?.limits ?? []).entries()) {
    const at = `spec.limits[${index}]`
    if (seen.has(item.type)) yield field.duplicate(`${at}.type`, item.type)
    seen.add(item.type)
    if (!item.type) yield field.required(`${at}.type`)
    if (item.type === 'Pod') {
      for (const list of ['default', 'defaultRequest'] as const) {
        if (item[list]) yield field.forbidden(`${at}.${list}`, "may not be specified when `type` is 'Pod'")
      }
    }
    if (item.type === 'PersistentVolumeClaim' && !item.min?.storage && !item.max?.storage) {
      yield field.required(at, 'either minimum or maximum storage value is required, but neither was provided')
    }
    yield* itemErrors(item, at)
  }
}

/** In every resource: min <= defaultRequest <= default <= max. */
function* itemErrors(item: LimitRangeItem, path: string): Errors {
  const resources = new Set(lists.flatMap(list => Object.keys(item[list] ?? {})))
  const order = ['min', 'defaultRequest', 'default', 'max'] as const
  for (const resource of resources) {
    yield* textErrors(qualifiedNameErrors, resource, path)
    for (const [index, low] of order.entries()) {
      for (const high of order.slice(index + 1)) {
        const a = item[low]?.[resource]
        const b = item[high]?.[resource]
        if (a === undefined || b === undefined || quantityOf(a).compare(quantityOf(b)) <= 0) continue
        const names = { min: 'min', defaultRequest: 'default request', default: 'default', max: 'max' }
        const text = `${names[low]} value ${canonical(a)} is greater than ${names[high]} value ${canonical(b)}`
        yield field.invalid(`${path}.${low}[${resource}]`, canonical(a), text)
      }
    }
    const ratio = item.maxLimitRequestRatio?.[resource]
    if (ratio !== undefined && quantityOf(ratio).toNumber() < 1) {
      yield field.invalid(
        `${path}.maxLimitRequestRatio[${resource}]`,
        canonical(ratio),
        `ratio ${canonical(ratio)} is less than 1`,
      )
    }
  }
}

export const limitRange = strategy<LimitRange>({ allowCreateOnUpdate: true, defaults, validate })
