/** A Corefile as something that can be started: the chain of plugins per zone and port, and the endpoints. */
import { CorefileError, type Directive, mistake, type ServerBlock } from './corefile.ts'
import {
  type Block,
  type Effects,
  type Endpoint,
  failure,
  type Handler,
  noPlugin,
  type Plugin,
  type Reply,
  type Request,
} from './plugins/plugin.ts'
import { zonesOf } from './plugins/settings.ts'
import { rcodes } from './wire/constants.ts'
import { within } from './wire/names.ts'

export interface Route {
  readonly zone: string
  readonly port: number
  /** As in metrics. */
  readonly server: string
  readonly plugins: readonly string[]
  readonly handler: Handler
}

export interface Configuration {
  /** The most particular zones first. */
  readonly routes: readonly Route[]
  readonly endpoints: readonly Endpoint[]
  /** Undefined: the Corefile is read once. */
  readonly reloadMs: number | undefined
  /** Ports on which classes other than IN are asked about: those where questions are passed on. */
  readonly anyClass: ReadonlySet<number>
  /** Names of what is not ready yet. */
  readonly notReady: () => readonly string[]
  /** Begins to have effects; they end with the signal. */
  start(signal: AbortSignal): Promise<void>
  /** To be called once the listeners are open. */
  serving(): void
}

/** Aliases that lead to aliases are followed so far. */
const maxDepth = 8

/** Sets everything up without any effect. Throws CorefileError. */
export function configure(
  blocks: readonly ServerBlock[],
  plugins: readonly Plugin[],
  effects: Effects,
  fatal: (message: string) => void,
): Configuration {
  const routes: Route[] = []
  const endpoints: Endpoint[] = []
  const starts: ((signal: AbortSignal) => void | Promise<void>)[] = []
  const servings: (() => void)[] = []
  const readiness: { name: string; ready: () => boolean }[] = []
  let reloadMs: number | undefined
  for (const block of blocks) {
    const places = block.addresses.flatMap(text => placesOf(block, text))
    const server = `dns://:${places[0]!.port}`
    let chain: Handler = noPlugin
    const context: Block = {
      zones: places.map(({ zone }) => zone),
      server,
      effects,
      lookup: (request, name, type) => ask(routes, places[0]!.port, request, name, type),
      onStart: start => void starts.push(start),
      onServing: serving => void servings.push(serving),
      readiness: (name, ready) => void readiness.push({ name, ready }),
      endpoint: endpoint => void endpoints.push(endpoint),
      reload: intervalMs => {
        reloadMs = intervalMs
      },
      fatal,
    }
    const used = chained(block, plugins, context)
    for (const layer of used.layers.toReversed()) chain = layer(chain)
    const handler = used.layers.length === 0 ? refuse : chain
    for (const { zone, port } of places) {
      if (routes.some(route => route.zone === zone && route.port === port))
        throw mistake(block, `cannot serve dns://${zone}:${port} - it is already defined`)
      routes.push({ zone, port, server, plugins: used.names, handler })
    }
  }
  if (routes.length === 0) throw new CorefileError('Corefile', 1, 'there is no server block')
  routes.sort((a, b) => b.zone.length - a.zone.length)
  return {
    routes,
    endpoints: uniqueEndpoints(endpoints),
    reloadMs,
    anyClass: new Set(routes.filter(route => route.plugins.includes('forward')).map(({ port }) => port)),
    notReady: () => readiness.filter(({ ready }) => !ready()).map(({ name }) => name),
    async start(signal) {
      for (const start of starts) await start(signal)
    },
    serving() {
      for (const serving of servings) serving()
    },
  }
}

const refuse: Handler = () => failure('', rcodes.REFUSED)

function chained({ directives }: ServerBlock, plugins: readonly Plugin[], context: Block) {
  const known = new Set(plugins.map(({ name }) => name))
  const unknown = directives.find(({ name }) => !known.has(name))
  if (unknown) throw mistake(unknown, `unknown plugin "${unknown.name}": want one of ${[...known].sort().join(', ')}`)
  const grouped = Map.groupBy(directives, ({ name }) => name)
  const used = plugins.flatMap(plugin => {
    const [first, ...more] = grouped.get(plugin.name) ?? []
    return first
      ? [{ name: plugin.name, layer: plugin.setup([first, ...more] as [Directive, ...Directive[]], context) }]
      : []
  })
  return { names: used.map(({ name }) => name), layers: used.flatMap(({ layer }) => layer ?? []) }
}

/** "example.org:1053", ".", "10.0.0.0/24" as zones and ports. */
function placesOf(block: ServerBlock, text: string): { zone: string; port: number }[] {
  const scheme = /^(\w+):\/\//.exec(text)?.[1] ?? 'dns'
  if (scheme !== 'dns') throw mistake(block, `${scheme}:// is not supported, want dns://`)
  const [, zone = '', port] = /^(?:\w+:\/\/)?(.*?)(?::(\d+))?$/.exec(text)!
  const number = Number(port ?? 53)
  if (number < 1 || number > 65_535) throw mistake(block, `"${text}" has no valid port`)
  return zonesOf(block, zone).map(one => ({ zone: one, port: number }))
}

/** Blocks may name the same endpoint; the first of a kind and port counts. */
function uniqueEndpoints(endpoints: readonly Endpoint[]): Endpoint[] {
  return [...new Map(endpoints.toReversed().map(endpoint => [`${endpoint.kind} ${endpoint.port}`, endpoint])).values()]
}

/** The route that a name takes on a port: the longest zone that it lies in. */
export function routeOf(routes: readonly Route[], port: number, name: string): Route | undefined {
  return routes.find(route => route.port === port && within(name, route.zone))
}

function ask(
  routes: readonly Route[],
  port: number,
  request: Request,
  asked: string,
  type: number,
): Reply | Promise<Reply> {
  const depth = (request.depth ?? 0) + 1
  const name = asked.toLowerCase()
  const route = routeOf(routes, port, name)
  if (!route || depth > maxDepth) return failure('', rcodes.SERVFAIL, `aliases lead too far: ${asked}`)
  return route.handler({ ...request, name, asked, type, depth })
}
