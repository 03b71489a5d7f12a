/** Plugins of a few lines each: those that open an endpoint, and those that touch every reply. */
import { mistake } from '../corefile.ts'
import { types } from '../wire/constants.ts'
import { record } from '../wire/records.ts'
import { type Plugin, reply, withReply } from './plugin.ts'
import { duration, integer, noArgs, noBlock, oneArg, only, someArgs, unknownProperty } from './settings.ts'

export const healthPlugin: Plugin = {
  name: 'health',
  setup(directives, block) {
    const directive = only(directives)
    const [address] = directive.args.length === 0 ? [] : someArgs(directive, 1, 1)
    let lameduckMs = 0
    for (const property of directive.block) {
      if (property.name !== 'lameduck') throw unknownProperty('health', property)
      lameduckMs = duration(property, oneArg(property))
    }
    block.endpoint({ kind: 'health', port: portOf(directive, address, 8080), lameduckMs })
    return undefined
  },
}

export const readyPlugin = endpointOnly('ready', 'ready', 8181)

export const prometheusPlugin = endpointOnly('prometheus', 'metrics', 9153)

function endpointOnly(name: string, kind: 'ready' | 'metrics', defaultPort: number): Plugin {
  return {
    name,
    setup(directives, block) {
      const directive = only(directives)
      noBlock(directive)
      block.endpoint({ kind, port: portOf(directive, directive.args[0], defaultPort), lameduckMs: 0 })
      return undefined
    },
  }
}

function portOf(directive: Parameters<typeof mistake>[0], address: string | undefined, fallback: number): number {
  if (address === undefined) return fallback
  const port = Number(/:(\d+)$/.exec(address)?.[1])
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw mistake(directive, `"${address}" is no address, want for example :${fallback}`)
  return port
}

/** `reload [INTERVAL] [JITTER]`: changes are seen as they happen; the interval is a safety net. */
export const reloadPlugin: Plugin = {
  name: 'reload',
  setup(directives, block) {
    const directive = only(directives)
    noBlock(directive)
    const [interval, jitter] = directive.args.length === 0 ? [] : someArgs(directive, 1, 2)
    const intervalMs = interval === undefined ? 30_000 : duration(directive, interval)
    const jitterMs = jitter === undefined ? 15_000 : duration(directive, jitter)
    if (interval !== undefined && intervalMs < 2000)
      throw mistake(directive, 'plugin/reload: interval value must be greater or equal to 2s')
    if (jitter !== undefined && jitterMs < 1000)
      throw mistake(directive, 'plugin/reload: jitter value must be greater or equal to 1s')
    block.reload(intervalMs)
    return undefined
  },
}

/** `bufsize [SIZE]`: no UDP answer is larger. */
export const bufsizePlugin: Plugin = {
  name: 'bufsize',
  setup(directives) {
    const directive = only(directives)
    const size = directive.args.length === 0 ? 1232 : integer(directive, oneArg(directive), 512, 4096)
    return next => request => {
      if (!request.edns || request.edns.udpSize <= size) return next(request)
      const asked = next({ ...request, edns: { ...request.edns, udpSize: size } })
      return withReply(asked, answer => ({ ...answer, maxUdp: size }))
    }
  },
}

/** `any`: questions for every type get one meaningless record (RFC 8482). */
export const anyPlugin: Plugin = {
  name: 'any',
  setup(directives) {
    noArgs(only(directives))
    const hinfo = Buffer.from('\x07RFC8482\x00', 'latin1')
    return next => request =>
      request.type === types.ANY
        ? reply('any', { answers: [record(request.asked, types.HINFO, 8482, hinfo)] })
        : next(request)
  },
}
