/**
 * The loop plugin: after the start a question nobody else can know is asked of ourselves. If it comes back, our upstreams
 * lead to us, every question would circle for ever, and the server ends with an error that says so.
 */
import { mistake } from '../corefile.ts'
import { types } from '../wire/constants.ts'
import { isPending, type Plugin } from './plugin.ts'
import { only } from './settings.ts'

/** The question itself, and twice more: a retry is not yet a loop. */
const tolerated = 2
const watchMs = 5000

export const loopPlugin: Plugin = {
  name: 'loop',
  setup(directives, block) {
    const directive = only(directives)
    if (directive.args.length > 0) throw mistake(directive, 'plugin/loop: loop takes no arguments')
    const [zone = '.'] = block.zones
    const { random, log } = block.effects
    const label = () => String(Math.floor(random() * 2 ** 52))
    const name = `${label()}.${label()}.${zone === '.' ? '' : zone}`
    let seen = 0
    let watching = false
    block.onStart(signal => {
      watching = true
      const timer = setTimeout(() => {
        watching = false
      }, watchMs)
      timer.unref()
      signal.addEventListener('abort', () => clearTimeout(timer), { once: true })
    })
    block.onServing(() => {
      const asked = block.lookup(probe(name), name, types.HINFO)
      if (isPending(asked)) asked.catch(() => {})
    })
    return next => request => {
      if (watching && request.type === types.HINFO && request.name === name && ++seen > tolerated) {
        watching = false
        const problem = `Loop (${request.peer.address}:${request.peer.port} -> ${block.server.replace('dns://', '')}) detected for zone "${zone}", see https://coredns.io/plugins/loop#troubleshooting. Query: "HINFO ${name}"`
        log.error(`plugin/loop: ${problem}`)
        block.fatal(`plugin/loop: ${problem}`)
      }
      return next(request)
    }
  },
}

const probe = (name: string) => ({
  id: 0,
  name,
  asked: name,
  type: types.HINFO,
  class: 1,
  recursionDesired: true,
  checkingDisabled: false,
  authenticData: false,
  edns: undefined,
  transport: 'udp' as const,
  peer: { address: '127.0.0.1', port: 0 },
  size: 0,
  arrived: 0,
})
