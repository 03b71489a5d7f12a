/** What an update of a pod's /resize may change (pkg/apis/core/validation ValidatePodResize). */
import { field } from '../../../api/errors.ts'
import type { Container, Pod, PodSpec } from '../../../api/types.gen.ts'
import type { Errors } from '../common/build.ts'
import { qualityOfService } from '../common/pod/resources.ts'

const specOf = (pod: Pod): PodSpec => pod.spec ?? { containers: [] }

/** Only cpu and memory of containers change, none is taken away, and the class of service stays. */
export function* resizeErrors(pod: Pod, old: Pod): Errors {
  const quality = qualityOfService(specOf(pod))
  if (quality !== qualityOfService(specOf(old))) {
    yield field.invalid('spec', quality, 'Pod QOS Class may not change as a result of resizing')
  }
  for (const list of ['containers', 'initContainers'] as const) {
    for (const [index, container] of (specOf(pod)[list] ?? []).entries()) {
      const before = specOf(old)[list]?.[index]
      if (before) yield* containerErrors(container, before, `spec.${list}[${index}].resources`)
    }
  }
}

function* containerErrors(container: Container, before: Container, path: string): Errors {
  for (const part of ['limits', 'requests'] as const) {
    const now = container.resources?.[part] ?? {}
    const then = before.resources?.[part] ?? {}
    for (const name of Object.keys({ ...now, ...then })) {
      if (now[name] === then[name]) continue
      if (name !== 'cpu' && name !== 'memory') {
        yield field.forbidden(`${path}.${part}`, 'only cpu and memory resources are mutable')
      } else if (now[name] === undefined) {
        yield field.forbidden(`${path}.${part}`, `resource ${part} cannot be removed`)
      }
    }
  }
}
