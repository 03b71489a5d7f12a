/**
 * Ours: pods of the runtime class "embedded" run modules inside the agent, with its view of the machine. Nobody gains by that
 * in kube-system, nor anywhere with a service account that may do everything: whoever may create a pod of such an account
 * owns the cluster already, by the account's token in an ordinary container. Helm's Jobs are of the second sort.
 */
import type { Pod } from '../../api/types.gen.ts'
import { type Authorizer, attributesOf } from '../auth/authorizer.ts'
import type { UserInfo } from '../auth/user.ts'
import { as, isFor, refuse } from './common.ts'
import type { AdmissionPlugin } from './plugin.ts'

const className = 'embedded'
const imagePrefix = 'embedded/'

/** `modules` names what is compiled in; an image is embedded/<module>, a tag is ignored. */
export function embeddedRuntime(modules: () => ReadonlySet<string>, authorizer: Authorizer): AdmissionPlugin {
  return {
    name: 'EmbeddedRuntime',
    validate(request) {
      const { operation } = request
      if ((operation !== 'CREATE' && operation !== 'UPDATE') || !isFor(request, '', 'pods')) return
      const { spec } = as<Pod>(request.object)
      if (spec.runtimeClassName !== className) return
      if (!spec.serviceAccountName) {
        throw refuse(request, `a pod of the runtime class ${className} needs a service account`)
      }
      // The account cannot change, its rights may: a pod that is there can always be updated, e.g. to let it go.
      if (operation === 'CREATE' && request.namespace !== 'kube-system') {
        const account = accountOf(request.namespace, spec.serviceAccountName)
        if (!mayDoEverything(account, authorizer))
          throw refuse(
            request,
            `the runtime class ${className} is reserved to pods in the namespace kube-system and to service accounts that may do everything, ${account.name} may not`,
          )
      }
      const known = modules()
      for (const { name, image = '' } of [...(spec.initContainers ?? []), ...spec.containers]) {
        const module = image.startsWith(imagePrefix) ? image.slice(imagePrefix.length).replace(/[:@].*$/, '') : ''
        if (known.has(module)) continue
        const choices = [...known].sort().map(one => `${imagePrefix}${one}`)
        throw refuse(
          request,
          `container ${name}: no embedded module for image "${image}", there is ${choices.join(', ') || 'none'}`,
        )
      }
    },
  }
}

function accountOf(namespace: string, name: string): UserInfo {
  const groups = ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated']
  return { name: `system:serviceaccount:${namespace}:${name}`, uid: '', groups, extra: {} }
}

function mayDoEverything(user: UserInfo, authorizer: Authorizer): boolean {
  return authorizer.authorize(attributesOf(user, '*', { group: '*', version: '*', resource: '*' })).allowed
}
