/** The settings of the forward plugin; times in milliseconds. */
import { isIP } from 'node:net'
import { type Directive, mistake } from '../../corefile.ts'
import { rcodeNumber } from '../../wire/constants.ts'
import { isName, normal } from '../../wire/names.ts'
import { duration, integer, noArgs, oneArg, someArgs, unknownProperty, zonesOf } from '../settings.ts'

export interface UpstreamAddress {
  readonly host: string
  readonly port: number
  readonly tls: boolean
}

/** A server, or a file in resolv.conf form that names servers. */
export type Destination =
  | { readonly kind: 'server'; readonly address: UpstreamAddress }
  | { readonly kind: 'file'; readonly path: string }

export interface ForwardConfig {
  readonly from: string
  readonly to: readonly Destination[]
  readonly except: readonly string[]
  readonly policy: 'random' | 'round_robin' | 'sequential'
  /** 0: a server is never taken for dead. */
  readonly maxFails: number
  readonly healthCheckMs: number
  readonly healthRecursion: boolean
  readonly healthDomain: string
  readonly expireMs: number
  readonly forceTcp: boolean
  readonly preferUdp: boolean
  /** 0: no limit. */
  readonly maxConcurrent: number
  /** Answers with these codes are given up in favour of the next forward directive. */
  readonly next: readonly number[]
  readonly failFast: boolean
  /** Certificate, key and CA files of tls, in CoreDNS' order of arguments. */
  readonly tlsFiles: { readonly cert?: string; readonly key?: string; readonly ca?: string }
  readonly tlsServerName: string | undefined
  readonly directive: Directive
}

type Draft = { -readonly [K in keyof ForwardConfig]: ForwardConfig[K] }

export function forwardConfig(directive: Directive): ForwardConfig {
  const [from, ...to] = directive.args
  if (from === undefined || to.length === 0)
    throw mistake(directive, 'plugin/forward: forward wants a zone and at least one server')
  if (to.length > 15) throw mistake(directive, 'plugin/forward: more than 15 TOs configured')
  const config: Draft = {
    from: zonesOf(directive, from)[0]!,
    to: to.map(text => destination(directive, text)),
    except: [],
    policy: 'random',
    maxFails: 2,
    healthCheckMs: 500,
    healthRecursion: true,
    healthDomain: '.',
    expireMs: 10_000,
    forceTcp: false,
    preferUdp: false,
    maxConcurrent: 0,
    next: [],
    failFast: false,
    tlsFiles: {},
    tlsServerName: undefined,
    directive,
  }
  for (const property of directive.block) apply(config, property)
  return config
}

function destination(directive: Directive, text: string): Destination {
  const scheme = /^(\w+):\/\//.exec(text)?.[1]
  if (scheme !== undefined && scheme !== 'dns' && scheme !== 'tls')
    throw mistake(
      directive,
      `plugin/forward: '${scheme}' is not supported as a destination protocol in forward: ${text}, want dns or tls`,
    )
  const rest = text.replace(/^\w+:\/\//, '')
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(rest) ?? []
  const host = isIP(rest) === 6 ? rest : (bracketed ?? plain ?? '')
  if (isIP(host.replace(/%.*/, '')) !== 0) {
    const fallback = scheme === 'tls' ? 853 : 53
    return { kind: 'server', address: { host, port: Number(port ?? fallback), tls: scheme === 'tls' } }
  }
  if (scheme === undefined && rest.startsWith('/')) return { kind: 'file', path: rest }
  throw mistake(directive, `plugin/forward: not an IP address or file: "${text}"`)
}

function apply(config: Draft, property: Directive): void {
  switch (property.name) {
    case 'except':
      config.except = [...config.except, ...someArgs(property).flatMap(zone => zonesOf(property, zone))]
      return
    case 'max_fails':
      config.maxFails = integer(property, oneArg(property), 0)
      return
    case 'health_check':
      healthCheck(config, property)
      return
    case 'expire':
      config.expireMs = duration(property, oneArg(property))
      return
    case 'force_tcp':
    case 'prefer_udp':
      noArgs(property)
      config[property.name === 'force_tcp' ? 'forceTcp' : 'preferUdp'] = true
      return
    case 'failfast_all_unhealthy_upstreams':
      noArgs(property)
      config.failFast = true
      return
    case 'tls': {
      const [first, second, third] = property.args.length === 0 ? [] : someArgs(property, 1, 3)
      config.tlsFiles =
        second === undefined
          ? first === undefined
            ? {}
            : { ca: first }
          : { cert: first!, key: second, ...(third === undefined ? {} : { ca: third }) }
      return
    }
    case 'tls_servername':
      config.tlsServerName = oneArg(property)
      return
    case 'policy': {
      const policy = (['random', 'round_robin', 'sequential'] as const).find(known => known === oneArg(property))
      if (!policy)
        throw mistake(
          property,
          `plugin/forward: unknown policy '${property.args[0]}', want random, round_robin or sequential`,
        )
      config.policy = policy
      return
    }
    case 'max_concurrent':
      config.maxConcurrent = integer(property, oneArg(property), 0)
      return
    case 'next':
      config.next = someArgs(property).map(name => {
        const rcode = rcodeNumber(name)
        if (rcode === undefined) throw mistake(property, `plugin/forward: ${name} is not a valid rcode`)
        return rcode
      })
      return
    default:
      throw unknownProperty('forward', property)
  }
}

function healthCheck(config: Draft, property: Directive): void {
  const [interval, ...options] = someArgs(property)
  config.healthCheckMs = duration(property, interval)
  for (let at = 0; at < options.length; at++) {
    if (options[at] === 'no_rec') config.healthRecursion = false
    else if (options[at] === 'domain' && isName(options[at + 1] ?? '')) config.healthDomain = normal(options[++at]!)
    else
      throw mistake(property, `plugin/forward: health_check: unknown option ${options[at]}, want no_rec or domain NAME`)
  }
}

/** The servers a resolv.conf names. */
export function resolvConfServers(text: string): UpstreamAddress[] {
  const hosts = [...text.matchAll(/^[ \t]*nameserver[ \t]+(\S+)/gm)].map(match => match[1]!)
  return hosts.filter(host => isIP(host.replace(/%.*/, '')) !== 0).map(host => ({ host, port: 53, tls: false }))
}
