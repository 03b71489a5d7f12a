/** Ours: pods of the runtime class "embedded" run modules inside the agent, so only kube-system may have them. */
import type { Pod } from '../../api/types.gen.ts'
import { as, isFor, refuse } from './common.ts'
import type { AdmissionPlugin } from './plugin.ts'

const className = 'embedded'
const imagePrefix = 'embedded/'

/** `modules` names what is compiled in; an image is embedded/<module>, a tag is ignored. */
export function embeddedRuntime(modules: () => ReadonlySet<string>): AdmissionPlugin {
  return {
    name: 'EmbeddedRuntime',
    validate(request) {
      const { operation } = request
      if ((operation !== 'CREATE' && operation !== 'UPDATE') || !isFor(request, '', 'pods')) return
      const { spec } = as<Pod>(request.object)
      if (spec.runtimeClassName !== className) return
      if (request.namespace !== 'kube-system') {
        throw refuse(request, `the runtime class ${className} is reserved to pods in the namespace kube-system`)
      }
      if (!spec.serviceAccountName) {
        throw refuse(request, `a pod of the runtime class ${className} needs a service account of kube-system`)
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
