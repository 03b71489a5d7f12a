/** Pods stay five minutes on a node that fails, unless they say otherwise (upstream: plugin/pkg/admission/defaulttolerationseconds). */
import type { Draft } from '../../api/object.ts'
import type { Pod } from '../../api/types.gen.ts'
import { as, isFor } from './common.ts'
import type { AdmissionPlugin } from './plugin.ts'

const seconds = 300
const keys = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable']

export function defaultTolerationSeconds(): AdmissionPlugin {
  return {
    name: 'DefaultTolerationSeconds',
    mutate(request) {
      if (request.operation === 'DELETE' || request.operation === 'CONNECT' || !isFor(request, '', 'pods')) return
      const pod = as<Draft<Pod>>(request.object)
      const present = pod.spec.tolerations ?? []
      const missing = keys.filter(
        key =>
          !present.some(
            ({ key: tolerated, effect }) => (!tolerated || tolerated === key) && (!effect || effect === 'NoExecute'),
          ),
      )
      if (missing.length === 0) return
      const added = missing.map(key => ({ effect: 'NoExecute', key, operator: 'Exists', tolerationSeconds: seconds }))
      pod.spec.tolerations = [...present, ...added]
    },
  }
}
