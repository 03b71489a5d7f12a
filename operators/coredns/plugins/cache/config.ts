/** The settings of the cache plugin; times in seconds. */
import { type Directive, mistake } from '../../corefile.ts'
import type { Block } from '../plugin.ts'
import { duration, integer, noArgs, oneArg, someArgs, zonesOf, zonesOr } from '../settings.ts'

export interface Share {
  readonly capacity: number
  readonly maxTtl: number
  readonly minTtl: number
  /** Zones whose answers of this kind are not kept. */
  readonly except: readonly string[]
}

export interface CacheConfig {
  readonly zones: readonly string[]
  readonly success: Share
  readonly denial: Share
  /** How long failures are kept. */
  readonly failTtl: number
  readonly prefetch: { readonly amount: number; readonly windowMs: number; readonly percentage: number }
  readonly stale: { readonly seconds: number; readonly verify: boolean } | undefined
  readonly keepTtl: boolean
}

type Draft = { -readonly [K in keyof CacheConfig]: CacheConfig[K] }

const leastTtl = 5

export function cacheConfig(directive: Directive, block: Block): CacheConfig {
  const [first] = directive.args
  const hasTtl = first !== undefined && /^-?\d+$/.test(first)
  const ttl = hasTtl ? integer(directive, first, 1) : undefined
  const share = (maxTtl: number): Share => ({ capacity: 10_000, maxTtl: ttl ?? maxTtl, minTtl: leastTtl, except: [] })
  const config: Draft = {
    zones: zonesOr(directive, directive.args.slice(hasTtl ? 1 : 0), block.zones),
    success: share(3600),
    denial: share(1800),
    failTtl: leastTtl,
    prefetch: { amount: 0, windowMs: 60_000, percentage: 10 },
    stale: undefined,
    keepTtl: false,
  }
  for (const property of directive.block) apply(config, property)
  return config
}

function apply(config: Draft, property: Directive): void {
  const { args } = property
  switch (property.name) {
    case 'success':
    case 'denial': {
      someArgs(property, 1, 3)
      const share = config[property.name]
      config[property.name] = {
        ...share,
        capacity: integer(property, args[0], 0),
        maxTtl: args[1] === undefined ? share.maxTtl : integer(property, args[1], 1),
        minTtl: args[2] === undefined ? share.minTtl : integer(property, args[2], 0),
      }
      return
    }
    case 'prefetch':
      someArgs(property, 1, 3)
      config.prefetch = {
        amount: integer(property, args[0], 0),
        windowMs: args[1] === undefined ? 60_000 : duration(property, args[1]),
        percentage: args[2] === undefined ? 10 : percentage(property, args[2]),
      }
      return
    case 'serve_stale': {
      if (args.length > 0) someArgs(property, 1, 2)
      const mode = args[1]?.toLowerCase() ?? 'immediate'
      if (mode !== 'immediate' && mode !== 'verify')
        throw mistake(
          property,
          `plugin/cache: invalid value for serve_stale refresh mode: ${mode}, want immediate or verify`,
        )
      config.stale = {
        seconds: args[0] === undefined ? 3600 : duration(property, args[0]) / 1000,
        verify: mode === 'verify',
      }
      return
    }
    case 'servfail': {
      const seconds = duration(property, oneArg(property)) / 1000
      if (seconds > 300)
        throw mistake(property, 'plugin/cache: caching SERVFAIL responses over 5 minutes is not permitted')
      config.failTtl = seconds
      return
    }
    case 'disable': {
      const [kind, ...zones] = someArgs(property)
      if (kind !== 'success' && kind !== 'denial')
        throw mistake(property, 'plugin/cache: cache type for disable must be "success" or "denial"')
      config[kind] = {
        ...config[kind],
        except: zones.length === 0 ? ['.'] : zones.flatMap(zone => zonesOf(property, zone)),
      }
      return
    }
    case 'keepttl':
      noArgs(property)
      config.keepTtl = true
      return
    default:
      throw mistake(property, `plugin/cache: unknown property '${property.name}'`)
  }
}

function percentage(property: Directive, text: string): number {
  if (!text.endsWith('%')) throw mistake(property, `plugin/cache: "${text}" is no percentage, want for example 10%`)
  return integer(property, text.slice(0, -1), 10, 90)
}
