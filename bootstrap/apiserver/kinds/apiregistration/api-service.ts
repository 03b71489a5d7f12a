/** APIService. One without a service is answered by this server, so it is available at once. */
import { field } from '../../../api/errors.ts'
import { rfc3339 } from '../../../api/time.ts'
import type { APIService } from '../../../api/types.gen.ts'
import type { Errors } from '../common/build.ts'
import { ageColumn, column, nameColumn, strategy } from '../common/build.ts'
import { fill, when } from '../common/defaulting.ts'
import { pathSegment } from '../common/names.ts'

function* validate({ metadata, spec }: APIService): Errors {
  const { group = '', version = '', service, groupPriorityMinimum = 0, versionPriority = 0 } = spec ?? {}
  const required = `${version}.${group}`
  if (metadata?.name !== required) {
    const text = '`spec.version+"."+spec.group`'
    yield field.invalid('metadata.name', metadata?.name ?? '', `must be ${text}: "${required}"`)
  }
  if (group === '' && version !== 'v1') {
    yield field.required('spec.group', 'only v1 may have an empty group and it better be legacy kube')
  }
  if (version === '') yield field.required('spec.version')
  if (groupPriorityMinimum <= 0 || groupPriorityMinimum > 20_000) {
    const text = 'must be positive and less than 20000'
    yield field.invalid('spec.groupPriorityMinimum', groupPriorityMinimum, text)
  }
  if (versionPriority <= 0 || versionPriority > 1000) {
    yield field.invalid('spec.versionPriority', versionPriority, 'must be positive and less than 1000')
  }
  if (!service) {
    if (spec?.caBundle)
      yield field.invalid('spec.caBundle', `${spec.caBundle.length} bytes`, 'local APIServices may not have a caBundle')
    if (spec?.insecureSkipTLSVerify) {
      yield field.invalid('spec.insecureSkipTLSVerify', true, 'local APIServices may not have insecureSkipTLSVerify')
    }
    return
  }
  if (!service.namespace) yield field.required('spec.service.namespace')
  if (!service.name) yield field.required('spec.service.name')
  if (spec?.insecureSkipTLSVerify && spec.caBundle) {
    yield field.invalid('spec.insecureSkipTLSVerify', true, 'may not be true if caBundle is present')
  }
}

function availableText({ status }: APIService): string {
  const condition = status?.conditions?.find(found => found.type === 'Available')
  if (!condition) return 'Unknown'
  return condition.status === 'True' ? 'True' : `${condition.status} (${condition.reason})`
}

export const apiService = strategy<APIService>({
  allowUnconditionalUpdate: false,
  validateName: pathSegment,
  defaults: ({ spec }) => when(spec?.service, service => fill(service, { port: 443 })),
  status: {},
  prepareForCreate(draft, { clock }) {
    if (draft.spec?.service) return
    draft.status = {
      conditions: [
        {
          type: 'Available',
          status: 'True',
          lastTransitionTime: rfc3339(clock.now()),
          reason: 'Local',
          message: 'Local APIServices are always available',
        },
      ],
    }
  },
  validate,
  columns: [
    nameColumn,
    column('Service', ({ spec }) => (spec?.service ? `${spec.service.namespace}/${spec.service.name}` : 'Local')),
    column('Available', availableText),
    ageColumn,
  ],
})
