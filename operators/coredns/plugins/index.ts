/** The plugins there are, in the order in which CoreDNS (its plugin.cfg) puts them around each other, outermost first. */
import type { Informers } from '../../../bootstrap/client/informer.ts'
import { cachePlugin } from './cache/plugin.ts'
import { errorsPlugin } from './errors.ts'
import { forwardPlugin } from './forward/plugin.ts'
import { hostsPlugin } from './hosts.ts'
import { kubernetesPlugin } from './kubernetes/plugin.ts'
import { loadbalancePlugin } from './loadbalance.ts'
import { logPlugin } from './log.ts'
import { loopPlugin } from './loop.ts'
import type { Plugin } from './plugin.ts'
import { rewritePlugin } from './rewrite/plugin.ts'
import { anyPlugin, bufsizePlugin, healthPlugin, prometheusPlugin, readyPlugin, reloadPlugin } from './small.ts'
import { templatePlugin } from './template/plugin.ts'

export const pluginsInOrder = (informers: Informers): readonly Plugin[] => [
  reloadPlugin,
  bufsizePlugin,
  readyPlugin,
  healthPlugin,
  prometheusPlugin,
  errorsPlugin,
  logPlugin,
  anyPlugin,
  loadbalancePlugin,
  cachePlugin,
  rewritePlugin,
  templatePlugin,
  hostsPlugin,
  kubernetesPlugin(informers),
  loopPlugin,
  forwardPlugin,
]
