/** Nothing is created in a namespace that is missing or going; three namespaces stay (upstream: admission/plugin/namespace/lifecycle). */
import { errors, failure } from '../../api/errors.ts'
import type { Namespace } from '../../api/types.gen.ts'
import { refuse } from './common.ts'
import type { AdmissionDeps, AdmissionPlugin, AdmissionRequest } from './plugin.ts'

const immortal = new Set(['default', 'kube-system', 'kube-public'])

export function namespaceLifecycle({ reader, recent }: AdmissionDeps): AdmissionPlugin {
  return {
    name: 'NamespaceLifecycle',
    mutate(request) {
      const { kind, operation, namespace } = request
      if (kind.group === '' && kind.resource === 'namespaces') {
        if (operation === 'DELETE' && request.subresource === '' && immortal.has(request.name)) {
          throw refuse(request, 'this namespace may not be deleted')
        }
        return undefined
      }
      if (namespace === '' || operation === 'DELETE' || isAccessReview(request)) return undefined
      const waiting = operation === 'CREATE' ? recent?.() : undefined
      return waiting ? waiting.then(() => check(request)) : check(request)
    },
  }

  function check(request: AdmissionRequest): void {
    const object = reader.get('', 'namespaces', '', request.namespace) as unknown as Namespace | undefined
    if (!object) throw errors.notFound({ group: '', resource: 'namespaces' }, request.namespace)
    if (request.operation === 'CREATE' && object.status?.phase === 'Terminating') throw terminating(request)
  }
}

const isAccessReview = ({ kind }: AdmissionRequest): boolean =>
  kind.group === 'authorization.k8s.io' && kind.resource === 'localsubjectaccessreviews'

function terminating(request: AdmissionRequest) {
  const { namespace } = request
  const { status } = refuse(
    request,
    `unable to create new content in namespace ${namespace} because it is being terminated`,
  )
  const cause = {
    reason: 'NamespaceTerminating',
    message: `namespace ${namespace} is being terminated`,
    field: 'metadata.namespace',
  }
  return failure(403, 'Forbidden', status.message ?? '', { ...status.details, causes: [cause] })
}
