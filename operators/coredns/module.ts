/** CoreDNS' function as an embedded module: reads its Corefile, serves, and takes up changes of it while running. */
import type { EmbeddedModule } from '../../bootstrap/agent/embedded/module.ts'
import { DnsService } from './service.ts'

export const corednsModule: EmbeddedModule = {
  async run(context) {
    const { promise: ended, resolve: end } = Promise.withResolvers<string | undefined>()
    context.signal.addEventListener('abort', () => end(undefined), { once: true })
    const service = new DnsService(context, end)
    try {
      await service.start()
      const problem = await ended
      if (problem !== undefined) throw new Error(problem)
    } finally {
      await service.stop()
    }
    return 0
  },
}
