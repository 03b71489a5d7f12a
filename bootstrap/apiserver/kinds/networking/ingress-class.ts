/** IngressClass. */
import { field } from '../../../api/errors.ts'
import type { IngressClass } from '../../../api/types.gen.ts'
import { ageColumn, column, nameColumn, strategy } from '../common/build.ts'
import { immutable, requiredText, supportedOrEmpty } from '../common/checks.ts'
import { fill, when } from '../common/defaulting.ts'
import { groupText } from '../common/text.ts'

const maxController = 250

export const ingressClass = strategy<IngressClass>({
  hasGeneration: true,
  defaults: draft => when(draft.spec?.parameters, parameters => fill(parameters, { scope: 'Cluster' })),
  *validate({ spec }) {
    const controller = spec?.controller ?? ''
    if (controller.length > maxController) yield field.tooLong('spec.controller', maxController)
    if (controller && !/^[^/]+\/.+$/.test(controller)) {
      yield field.invalid('spec.controller', controller, 'must be a domain-prefixed path (such as "acme.io/foo")')
    }
    const parameters = spec?.parameters
    if (!parameters) return
    const at = 'spec.parameters'
    yield* requiredText(parameters.kind, `${at}.kind`, 'kind is required')
    yield* requiredText(parameters.name, `${at}.name`, 'name is required')
    yield* supportedOrEmpty(parameters.scope, `${at}.scope`, ['Cluster', 'Namespace'])
    if (parameters.scope === 'Namespace' && !parameters.namespace) {
      yield field.required(`${at}.namespace`, "`parameters.scope` is set to 'Namespace'")
    }
    if (parameters.scope === 'Cluster' && parameters.namespace) {
      yield field.forbidden(`${at}.namespace`, "`parameters.scope` is set to 'Cluster'")
    }
  },
  validateUpdate: (object, old) => immutable(object.spec?.controller, old.spec?.controller, 'spec.controller'),
  columns: [
    nameColumn,
    column('Controller', object => object.spec?.controller ?? ''),
    column('Parameters', ({ spec }) =>
      spec?.parameters
        ? `${groupText(spec.parameters.kind, spec.parameters.apiGroup)}/${spec.parameters.name}`
        : '<none>',
    ),
    ageColumn,
  ],
})
