/** Match conditions: expressions in CEL that let requests pass a webhook by (upstream: apiserver pkg/admission/plugin/webhook/matchconditions). */
import { errors } from '../../../api/errors.ts'
import { budgetOf } from '../../../cel/scope.ts'
import type { AdmissionRequest } from '../../admission/plugin.ts'
import { shapeOf } from '../cel/schema-type.ts'
import { programOf } from './expressions.ts'
import type { Invocation } from './matching.ts'
import { reviewOf } from './review.ts'

const costLimit = 1_000_000
const free = shapeOf({})

/**
 * Whether all conditions hold. One that does not hold decides, whatever the others are; one that cannot be evaluated
 * counts as the failure policy says. Throws 403 where that is to fail.
 */
export function conditionsHold({ hook, kind }: Invocation, request: AdmissionRequest): boolean {
  const { webhook } = hook
  const { request: asked } = reviewOf({ hook, kind }, request, '') as {
    request: { object: unknown; oldObject: unknown }
  }
  const { object, oldObject, ...rest } = asked
  const values = { object: free.value(object), oldObject: free.value(oldObject), request: free.value(rest) }
  const failures: string[] = []
  for (const { name, expression } of webhook.matchConditions ?? []) {
    try {
      const result = programOf(expression).evaluate(values, budgetOf(costLimit))
      if (result === false) return false
      if (result !== true) throw new Error('the result is not true or false')
    } catch (error) {
      failures.push(`matchCondition ${JSON.stringify(name)} failed: ${(error as Error).message}`)
    }
  }
  if (failures.length === 0) return true
  if (webhook.failurePolicy === 'Ignore') return false
  throw errors.forbidden(request.kind, request.name, failures.join(', '))
}
