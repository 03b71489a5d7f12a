/** Static pods: manifests in agent/pod-manifests, read at start and whenever the directory changes. */
import { createHash } from 'node:crypto'
import { watch } from 'node:fs'
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { rfc3339 } from '../../api/time.ts'
import type { Clock } from '../../client/clock.ts'
import type { Pod } from '../../client/resources.ts'
import { hashAnnotation, sourceAnnotation } from './identity.ts'

export interface StaticPodDeps {
  readonly directory: string
  readonly nodeName: string
  readonly clock: Clock
  readonly log: { warn(fields: object, message: string): void }
  readonly signal: AbortSignal
}

const settleMs = 100

/** Calls back with all valid static pods, now and after every change. */
export async function watchStaticPods(deps: StaticPodDeps, changed: (pods: readonly Pod[]) => void): Promise<void> {
  await mkdir(deps.directory, { recursive: true, mode: 0o755 })
  const read = async () => changed(await readStaticPods(deps))
  let settling = new AbortController()
  const watcher = watch(deps.directory, { persistent: false, signal: deps.signal }, () => {
    settling.abort()
    settling = new AbortController()
    deps.clock.sleep(settleMs, AbortSignal.any([settling.signal, deps.signal])).then(read, () => undefined)
  })
  watcher.on('error', error => deps.log.warn({ error: error.message }, 'static pods are no longer watched'))
  await read()
}

async function readStaticPods(deps: StaticPodDeps): Promise<Pod[]> {
  const pods: Pod[] = []
  const names = (await readdir(deps.directory)).filter(name => /\.(ya?ml|json)$/.test(name)).sort()
  if (names.length === 0) return pods
  const { parse } = await import('../../api/yaml-parser.ts')
  for (const name of names) {
    const file = join(deps.directory, name)
    try {
      const manifest = parse(await readFile(file, 'utf8')) as Pod
      if (manifest?.kind !== 'Pod') throw new Error('not a Pod')
      pods.push(staticPod(manifest, deps.nodeName, rfc3339(deps.clock.now())))
    } catch (error) {
      deps.log.warn({ file, error: (error as Error).message }, 'static pod ignored')
    }
  }
  return pods
}

/** A manifest as this node's pod: named after the node, with a uid that follows from its content. */
export function staticPod(manifest: Pod, nodeName: string, seenAt: string): Pod {
  const hash = createHash('md5')
    .update(`${nodeName}${JSON.stringify(manifest)}`)
    .digest('hex')
  return {
    ...manifest,
    metadata: {
      ...manifest.metadata,
      name: `${manifest.metadata.name}-${nodeName}`,
      namespace: manifest.metadata.namespace ?? 'default',
      uid: hash,
      annotations: {
        ...manifest.metadata.annotations,
        [hashAnnotation]: hash,
        [sourceAnnotation]: 'file',
        'kubernetes.io/config.seen': seenAt,
      },
    },
    spec: {
      restartPolicy: 'Always',
      terminationGracePeriodSeconds: 30,
      dnsPolicy: 'ClusterFirst',
      enableServiceLinks: true,
      ...manifest.spec,
      nodeName,
      tolerations: [...(manifest.spec.tolerations ?? []), { operator: 'Exists', effect: 'NoExecute' }],
    },
  }
}
