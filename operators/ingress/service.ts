/** The ingress as a whole: HAProxy, what keeps it current, and what reports on it. */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Cluster } from '../runtime/operator.ts'
import { Controller } from './controller.ts'
import { selfSigned } from './default-certificate.ts'
import { digest } from './digest.ts'
import { Applier } from './haproxy/applier.ts'
import { DataPlane } from './haproxy/data-plane.ts'
import { configName } from './haproxy/files.ts'
import { runtimeSocket } from './haproxy/socket.ts'
import { check, Supervisor } from './haproxy/supervisor.ts'
import type { Surface } from './haproxy/surface.ts'
import { serveMetrics } from './metrics/server.ts'
import type { Settings } from './settings.ts'

export interface IngressOptions {
  readonly settings: Settings
  readonly cluster: Cluster
  readonly surface: Omit<Surface, 'runDir'>
  /** Kept over restarts of the container: what was served last. */
  readonly folder: string
  /** Unique on this machine. */
  readonly id: string
  readonly log: (line: string) => void
  readonly access: (text: string) => void
  /** Where sockets go; their paths must be short. */
  readonly runRoot?: string
  readonly program?: string
}

export interface IngressService {
  /** Lets connections finish for `graceMs`. */
  stop(graceMs: number): Promise<void>
  /** Resolves when HAProxy serves all it was last told to, and nothing else. */
  settled(): Promise<void>
  /** For tests and metrics. */
  readonly counts: { readonly reloads: number; readonly patches: number }
}

/** Resolves when the first routing is served. Rejects when HAProxy cannot be run. */
export async function startIngress(options: IngressOptions): Promise<IngressService> {
  const { settings, cluster, log, access, program = 'haproxy' } = options
  const runDir = join(options.runRoot ?? '/run', `skiff-ingress-${digest(options.id)}`)
  await rm(runDir, { recursive: true, force: true })
  await mkdir(runDir, { recursive: true, mode: 0o700 })
  const folder = join(options.folder, 'haproxy')
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const surface: Surface = { ...options.surface, runDir }
  const send = runtimeSocket(join(runDir, 'admin.sock'))
  const supervisor = new Supervisor({
    program,
    config: join(folder, 'current', configName),
    clock: cluster.clock,
    random: cluster.random,
    signal: cluster.signal,
    log: line => log(`haproxy: ${line}`),
    access,
  })
  const applier = new Applier({
    folder,
    send,
    load: () => supervisor.load(),
    check: config => check(program, config),
    log,
    now: () => cluster.clock.now(),
  })
  const standard = await selfSigned(options.folder)
  let controller: Controller | undefined
  const plane = new DataPlane({
    applier,
    settings,
    surface,
    log,
    now: () => cluster.clock.now(),
    applied: (_, problems) => controller?.announce(problems),
  })
  controller = new Controller({
    cluster,
    settings,
    log,
    serve: model => plane.serve({ ...model, defaultCertificate: model.defaultCertificate ?? standard }),
  })
  const metrics =
    settings.metricsPort === undefined
      ? undefined
      : await serveMetrics({
          addresses: surface.addresses,
          port: settings.metricsPort,
          settings,
          send,
          counts: () => applier,
        })
  const stop = async (graceMs: number): Promise<void> => {
    await supervisor.stop(graceMs)
    await metrics?.close()
    await rm(runDir, { recursive: true, force: true })
  }
  try {
    if (await applier.inherit(surface.addresses)) log('serving the configuration of before until the cluster is read')
    await controller.start()
    if (!applier.serving) throw new Error('haproxy refuses the first configuration; see the log above')
  } catch (error) {
    await stop(0)
    throw error
  }
  log(`serving on ${settings.entryPoints.map(({ name, port }) => `${name} :${port}`).join(', ')}`)
  return { stop, settled: () => plane.settled(), counts: applier }
}
