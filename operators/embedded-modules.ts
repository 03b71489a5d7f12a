import type { EmbeddedModules } from '../bootstrap/agent/embedded/module.ts'

/** What pods of the RuntimeClass `embedded` can run, loaded on first use. A part of the same name runs it alone, too. */
export const embeddedModules: EmbeddedModules = new Map([
  ['helm', async () => (await import('./helmchart/job/module.ts')).helmModule],
  ['coredns', async () => (await import('./coredns/module.ts')).corednsModule],
  ['ingress', async () => (await import('./ingress/module.ts')).ingressModule],
  ['kubectl', async () => (await import('./upgrade/drain/module.ts')).kubectlModule],
  ['local-path', async () => (await import('./localpath/module.ts')).localPathModule],
  ['local-path-helper', async () => (await import('./localpath/helper.ts')).localPathHelperModule],
  ['metrics-server', async () => (await import('./metrics/module.ts')).metricsModule],
])
