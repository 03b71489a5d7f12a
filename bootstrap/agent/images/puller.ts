/** Makes sure a container's image is there, by its pull policy, with kubelet's events and back-off. */
import { formatDuration } from '../../api/time.ts'
import type { Container } from '../../api/types.gen.ts'
import type { Clock } from '../../client/clock.ts'
import type { Pod } from '../../client/resources.ts'
import { Backoff } from '../pods/backoff.ts'
import { containerPath, type EventRecorder } from '../pods/events.ts'
import { StartError } from '../pods/start-error.ts'
import type { ImageAuth, Runtime, RuntimeImage } from '../runtime.ts'
import type { References } from '../volumes/references.ts'
import { credentialsFor } from './keyring.ts'

export interface PullDeps {
  readonly clock: Clock
  readonly events: EventRecorder
  readonly references: References
}

const imageSyntax = /^[\w.:[\]-]+(\/[a-z0-9._-]+)*(:[\w.-]+)?(@sha256:[0-9a-f]{64})?$/

/** Tagged "latest", or neither tagged nor pinned by digest. */
function isLatest(image: string): boolean {
  return !image.includes('@') && !/:(?!latest$)[^/]+$/.test(image)
}

export class ImagePuller {
  readonly #deps: PullDeps
  readonly #backoff = new Backoff()
  readonly #failures = new Map<string, { at: number; message: string }>()

  constructor(deps: PullDeps) {
    this.#deps = deps
  }

  /** Throws StartError with the reason to show and the time to try again. */
  async ensure(pod: Pod, container: Container, runtime: Runtime, signal: AbortSignal): Promise<RuntimeImage> {
    const image = container.image ?? ''
    const say = (type: 'Normal' | 'Warning', reason: string, message: string) =>
      this.#deps.events.pod(pod, type, reason, message, containerPath(pod, container.name))
    if (!imageSyntax.test(image)) {
      const message = `Failed to apply default image tag "${image}": couldn't parse image name "${image}": invalid reference format`
      say('Warning', 'InspectFailed', message)
      throw new StartError('InvalidImageName', message)
    }
    const present = await runtime.imageStatus(image)
    const policy = container.imagePullPolicy ?? (isLatest(image) ? 'Always' : 'IfNotPresent')
    if (present && policy !== 'Always') {
      say('Normal', 'Pulled', `Container image "${image}" already present on machine and can be accessed by the pod`)
      return present
    }
    if (policy === 'Never') {
      const message = `Container image "${image}" is not present with pull policy of Never`
      say('Warning', 'ErrImageNeverPull', message)
      throw new StartError('ErrImageNeverPull', message)
    }
    this.#refuseDuringBackoff(pod, image, say)
    say('Normal', 'Pulling', `Pulling image "${image}"`)
    const startedAt = this.#deps.clock.now()
    try {
      await this.#pull(pod, image, runtime, signal)
    } catch (error) {
      throw this.#failed(pod, image, error as Error, say)
    }
    this.#backoff.forget(key(pod, image))
    const pulled = await runtime.imageStatus(image)
    if (!pulled) throw new StartError('ImageInspectError', `Failed to inspect image "${image}"`)
    const took = formatDuration(Math.round(this.#deps.clock.now() - startedAt))
    say(
      'Normal',
      'Pulled',
      `Successfully pulled image "${image}" in ${took} (${took} including waiting). Image size: ${pulled.size} bytes.`,
    )
    return pulled
  }

  #refuseDuringBackoff(
    pod: Pod,
    image: string,
    say: (type: 'Normal' | 'Warning', reason: string, message: string) => void,
  ): void {
    const failure = this.#failures.get(key(pod, image))
    const wait = failure && this.#backoff.waitUntil(key(pod, image), failure.at, this.#deps.clock.now())
    if (!wait) return
    const message = `Back-off pulling image "${image}"`
    say('Normal', 'BackOff', message)
    throw new StartError('ImagePullBackOff', `${message}: ErrImagePull: ${failure.message}`, wait.until)
  }

  #failed(
    pod: Pod,
    image: string,
    error: Error,
    say: (type: 'Normal' | 'Warning', reason: string, message: string) => void,
  ): StartError {
    const now = this.#deps.clock.now()
    this.#backoff.next(key(pod, image), now, now)
    this.#failures.set(key(pod, image), { at: now, message: error.message })
    say('Warning', 'Failed', `Failed to pull image "${image}": ${error.message}`)
    // Shown as ErrImagePull first, then as ImagePullBackOff until the next try.
    return new StartError('ErrImagePull', error.message, now + 1000)
  }

  /** Tries each matching credential, or none when no secret matches. */
  async #pull(pod: Pod, image: string, runtime: Runtime, signal: AbortSignal): Promise<void> {
    const namespace = pod.metadata.namespace ?? ''
    const names = (pod.spec.imagePullSecrets ?? []).flatMap(({ name }) => (name ? [name] : []))
    const secrets = (await Promise.all(names.map(name => this.#deps.references.secret(namespace, name)))).filter(
      secret => secret !== undefined,
    )
    const attempts: (ImageAuth | undefined)[] = credentialsFor(image, secrets)
    if (attempts.length === 0) attempts.push(undefined)
    let last: unknown
    for (const auth of attempts) {
      try {
        await runtime.pullImage(image, auth, signal)
        return
      } catch (error) {
        last = error
      }
    }
    throw last
  }
}

const key = (pod: Pod, image: string): string => `${pod.metadata.uid}_${image}`
