/**
 * Embedded containers among real ones: in an ordinary pod, a container whose image is embedded/<module> runs the module, if
 * that may be a guest. The pod keeps its runtime class, its sandbox and its other containers.
 */
import type { Container } from '../../api/types.gen.ts'
import type { Pod } from '../../client/resources.ts'
import type { EmbeddedRuntime, Runtime } from '../runtime.ts'

const imagePrefix = 'embedded/'

const isEmbedded = (image: string): boolean => image.startsWith(imagePrefix)

export function hasGuests(pod: Pod): boolean {
  const { initContainers = [], containers, ephemeralContainers = [] } = pod.spec
  const all: readonly Container[] = [...initContainers, ...containers, ...(ephemeralContainers as readonly Container[])]
  return all.some(container => isGuest(pod, container))
}

/** A guest ends with this process, and the next knows nothing of it: other than a lost container it has not failed. */
export function isGuest({ spec }: Pod, { image = '' }: Container): boolean {
  return spec.runtimeClassName !== 'embedded' && isEmbedded(image)
}

/** The runtime for pods with guests: what concerns a guest goes to `embedded`, everything else to `runtime`. */
export function withGuests(runtime: Runtime, embedded: EmbeddedRuntime): Runtime {
  const of = (id: string): Runtime => (embedded.holds(id) ? embedded : runtime)
  const serving = (image: string): Runtime => (isEmbedded(image) ? embedded : runtime)
  return {
    version: () => runtime.version(),
    status: () => runtime.status(),
    updateRuntimeConfig: podCidr => runtime.updateRuntimeConfig(podCidr),

    runPodSandbox: (config, handler, signal) => runtime.runPodSandbox(config, handler, signal),
    async stopPodSandbox(id) {
      await embedded.stopGuests(id)
      await runtime.stopPodSandbox(id)
    },
    async removePodSandbox(id) {
      await embedded.removeGuests(id)
      await runtime.removePodSandbox(id)
    },
    podSandboxStatus: id => runtime.podSandboxStatus(id),
    listPodSandboxes: filter => runtime.listPodSandboxes(filter),

    createContainer: (sandboxId, config, sandbox) =>
      isEmbedded(config.image.image)
        ? embedded.createGuest(sandboxId, config, sandbox)
        : runtime.createContainer(sandboxId, config, sandbox),
    startContainer: id => of(id).startContainer(id),
    stopContainer: (id, timeoutSeconds) => of(id).stopContainer(id, timeoutSeconds),
    removeContainer: id => of(id).removeContainer(id),
    containerStatus: id => of(id).containerStatus(id),
    async listContainers(filter) {
      const [real, guests] = await Promise.all([runtime.listContainers(filter), embedded.listContainers(filter)])
      return [...real, ...guests]
    },
    updateContainerResources: (id, resources) => of(id).updateContainerResources(id, resources),
    reopenContainerLog: id => of(id).reopenContainerLog(id),

    execSync: (id, command, timeoutSeconds) => of(id).execSync(id, command, timeoutSeconds),
    execUrl: request => of(request.containerId).execUrl(request),
    attachUrl: request => of(request.containerId).attachUrl(request),
    portForwardUrl: (sandboxId, ports) => runtime.portForwardUrl(sandboxId, ports),

    containerStats: id => of(id).containerStats(id),
    listContainerStats: filter => runtime.listContainerStats(filter),

    listImages: () => runtime.listImages(),
    imageStatus: image => serving(image).imageStatus(image),
    pullImage: (image, auth, signal) => serving(image).pullImage(image, auth, signal),
    removeImage: image => serving(image).removeImage(image),
    imageFsInfo: () => runtime.imageFsInfo(),

    events: signal => runtime.events(signal),
  }
}
