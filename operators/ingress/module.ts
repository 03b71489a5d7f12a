/** Traefik's place in the cluster as an embedded module: reads Traefik's arguments, drives HAProxy. */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { EmbeddedContext, EmbeddedModule } from '../../bootstrap/agent/embedded/module.ts'
import { systemClock } from '../../bootstrap/client/clock.ts'
import { createInformers } from '../../bootstrap/client/informers.ts'
import { createEventRecorder } from '../runtime/events.ts'
import type { Cluster } from '../runtime/operator.ts'
import { type IngressService, startIngress } from './service.ts'
import { parseSettings } from './settings.ts'

/** Connections that are busy when the pod is deleted may finish within this time. */
const drainMs = 25_000

export const ingressModule: EmbeddedModule = {
  async run(context) {
    const settings = parseSettings(context.args)
    const log = (line: string) => context.stdout(`${new Date(systemClock.now()).toISOString()} ${line}\n`)
    if (settings.ignored.length > 0) log(`without effect here: ${settings.ignored.join(', ')}`)
    // The operator outlives the signal: it keeps the data plane current while connections drain.
    const life = new AbortController()
    let service: IngressService | undefined
    try {
      service = await startIngress({
        settings,
        cluster: clusterOf(context, log, life.signal),
        surface: { addresses: context.pod.ips.length > 0 ? context.pod.ips : ['0.0.0.0'], hostname: context.pod.name },
        folder: folderOf(context),
        id: context.pod.uid,
        log,
        access: context.stdout,
      })
      if (!context.signal.aborted)
        await new Promise<void>(resolve => context.signal.addEventListener('abort', () => resolve(), { once: true }))
      log('ending: connections may finish')
      await service.stop(drainMs)
      return 0
    } finally {
      life.abort()
      await service?.stop(0)
    }
  },
}

/** The pod's own volume; a module that runs without a pod has a folder of the machine. */
function folderOf({ hostPath, pod }: EmbeddedContext): string {
  const volume = hostPath('/data')
  return volume === '/data' ? join(tmpdir(), `skiff-${pod.name}`) : volume
}

function clusterOf({ client }: EmbeddedContext, write: (line: string) => void, signal: AbortSignal): Cluster {
  const warn = (fields: object, text: string) => write(`${text} ${JSON.stringify(fields)}`)
  const log = { debug: () => {}, info: warn, warn, error: warn }
  const effects = { clock: systemClock, log, signal, random: Math.random }
  const events = createEventRecorder({ client, clock: systemClock, log, component: 'traefik' })
  return { ...effects, client, informers: createInformers(client, effects), events }
}
