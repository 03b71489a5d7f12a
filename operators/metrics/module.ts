/** metrics-server as an embedded module: scrapes the kubelets and serves metrics.k8s.io behind the API server. */
import type { EmbeddedModule } from '../../bootstrap/agent/embedded/module.ts'
import { systemClock } from '../../bootstrap/client/clock.ts'
import { createInformers } from '../../bootstrap/client/informers.ts'
import { FrontProxyTrust } from './access.ts'
import { parseArgs } from './args.ts'
import { Scraper } from './scraper.ts'
import { serveMetrics } from './server.ts'
import { UsageStore } from './usage.ts'

const account = '/var/run/secrets/kubernetes.io/serviceaccount'

export const metricsModule: EmbeddedModule = {
  async run(context) {
    const settings = parseArgs(context.args)
    const { client, signal, pod } = context
    const log = (text: string) => context.stderr(`${text}\n`)
    const informerLog = {
      debug: () => {},
      info: () => {},
      warn: (_: object, text: string) => log(text),
      error: (_: object, text: string) => log(text),
    }
    const effects = { clock: systemClock, log: informerLog, signal, random: Math.random }
    const trust = new FrontProxyTrust(createInformers(client, effects))
    const usage = new UsageStore(settings.resolutionMs)
    const accountDir = context.hostPath(account)
    const scraper = new Scraper({ settings, client, usage, clock: systemClock, accountDir, log, signal })
    await trust.whenSynced()
    const server = await serveMetrics(
      {
        client,
        usage,
        trust,
        identity: context.certificate([`metrics-server.${pod.namespace}.svc`, ...pod.ips]),
        now: () => systemClock.now(),
        asked: () => scraper.asked(),
        timely: () => scraper.timely,
        log,
      },
      pod.ips[0] ?? '0.0.0.0',
      settings.port,
    )
    context.stdout(`Serving securely on ${pod.ips[0] ?? ''}:${settings.port}\n`)
    try {
      await scraper.run()
    } finally {
      server.close()
    }
    return 0
  },
}
