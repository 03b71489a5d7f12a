/** The settings of the kubernetes plugin. */
import { StatusError } from '../../../../bootstrap/api/errors.ts'
import { parseLabelSelector } from '../../../../bootstrap/api/selectors.ts'
import { type Directive, mistake } from '../../corefile.ts'
import type { Block } from '../plugin.ts'
import {
  duration,
  type Fallthrough,
  fallthroughOf,
  integer,
  noArgs,
  oneArg,
  someArgs,
  unknownProperty,
  zonesOr,
} from '../settings.ts'

export interface KubernetesConfig {
  readonly zones: readonly string[]
  /** The first zone that is not a reverse one: where reverse names point. */
  readonly primary: string
  /** Answer a-b-c-d.ns.pod names: never, always, or only for pods that exist. */
  readonly pods: 'disabled' | 'insecure' | 'verified'
  /** Endpoints without a hostname are named after their pod. */
  readonly podNames: boolean
  readonly ttl: number
  readonly fallthrough: Fallthrough
  /** Only these; empty for all. */
  readonly namespaces: ReadonlySet<string>
  readonly labels: string | undefined
  readonly namespaceLabels: string | undefined
  readonly endpoints: boolean
  /** A service without endpoints does not exist. */
  readonly ignoreEmpty: boolean
  readonly startupTimeoutMs: number
}

const podModes = ['disabled', 'insecure', 'verified'] as const

/** Settings that only make sense outside the cluster, and where we stand on them. */
const elsewhere = new Set(['endpoint', 'tls', 'kubeconfig', 'multicluster'])

export function kubernetesConfig(directive: Directive, { zones: serverZones }: Block): KubernetesConfig {
  const zones = zonesOr(directive, directive.args, serverZones)
  const primary = zones.find(zone => !isReverse(zone))
  if (primary === undefined) throw mistake(directive, 'plugin/kubernetes: non-reverse zone name must be used')
  const config = {
    zones,
    primary,
    pods: 'disabled' as KubernetesConfig['pods'],
    podNames: false,
    ttl: 5,
    fallthrough: [] as Fallthrough,
    namespaces: new Set<string>(),
    labels: undefined as string | undefined,
    namespaceLabels: undefined as string | undefined,
    endpoints: true,
    ignoreEmpty: false,
    startupTimeoutMs: 5000,
  }
  for (const property of directive.block) apply(config, property)
  if (config.namespaces.size > 0 && config.namespaceLabels !== undefined)
    throw mistake(directive, 'plugin/kubernetes: namespaces and namespace_labels cannot both be set')
  return config
}

type Draft = { -readonly [K in keyof KubernetesConfig]: KubernetesConfig[K] } & { namespaces: Set<string> }

function apply(config: Draft, property: Directive): void {
  switch (property.name) {
    case 'pods': {
      const mode = podModes.find(known => known === oneArg(property))
      if (!mode)
        throw mistake(
          property,
          `plugin/kubernetes: wrong value for pods: ${property.args[0]}, must be one of: disabled, verified, insecure`,
        )
      config.pods = mode
      return
    }
    case 'endpoint_pod_names':
      noArgs(property)
      config.podNames = true
      return
    case 'namespaces':
      config.namespaces = new Set([...config.namespaces, ...someArgs(property)])
      return
    case 'labels':
      config.labels = selector(property)
      return
    case 'namespace_labels':
      config.namespaceLabels = selector(property)
      return
    case 'fallthrough':
      config.fallthrough = fallthroughOf(property)
      return
    case 'ttl':
      config.ttl = integer(property, property.args[0], 0, 3600)
      return
    case 'noendpoints':
      noArgs(property)
      config.endpoints = false
      return
    case 'ignore':
      if (oneArg(property) !== 'empty_service')
        throw mistake(
          property,
          `plugin/kubernetes: unable to parse ignore value: '${property.args[0]}', want empty_service`,
        )
      config.ignoreEmpty = true
      return
    case 'startup_timeout':
      config.startupTimeoutMs = duration(property, oneArg(property))
      return
    default:
      if (elsewhere.has(property.name))
        throw mistake(
          property,
          `plugin/kubernetes: ${property.name} is not supported: this server always serves the cluster it runs in`,
        )
      throw unknownProperty('kubernetes', property)
  }
}

function selector(property: Directive): string {
  const text = someArgs(property).join(' ')
  try {
    parseLabelSelector(text)
    return text
  } catch (error) {
    if (!(error instanceof StatusError) && !(error instanceof Error)) throw error
    throw mistake(property, `plugin/kubernetes: unable to parse ${property.name} value: '${text}': ${error.message}`)
  }
}

export const isReverse = (zone: string): boolean => zone.endsWith('in-addr.arpa.') || zone.endsWith('ip6.arpa.')
