/** Faults: a client that stops working at a chosen write, as it does when its process is killed there. */
import type { Client, Resource } from '../../../../bootstrap/client/client.ts'

export interface CutClient extends Client {
  /** Writes begun so far. */
  readonly writes: readonly string[]
  readonly isCut: boolean
}

const verbs = ['create', 'update', 'patch', 'delete', 'deleteCollection'] as const

/**
 * A client whose process ends at write number `at` (from 1): 'before' the server has seen it, or 'after' it is done but
 * before the answer is there. From then on nothing works any more. `cut` is called at that moment.
 */
export function cutClient(client: Client, at: number, when: 'before' | 'after', cut: () => void = () => {}): CutClient {
  const writes: string[] = []
  let gone = false
  const end = () => {
    gone = true
    cut()
    throw new Error('the process is gone')
  }
  const alive = () => {
    if (gone) throw new Error('the process is gone')
  }
  const write =
    (verb: (typeof verbs)[number]) =>
    async (resource: Resource, ...rest: readonly unknown[]) => {
      alive()
      const mine = writes.push(`${verb} ${resource.resource}`)
      if (mine === at && when === 'before') end()
      const result = await (client[verb] as (...args: unknown[]) => Promise<unknown>)(resource, ...rest)
      if (mine === at && when === 'after') end()
      alive()
      return result
    }
  return {
    ...(Object.fromEntries(verbs.map(verb => [verb, write(verb)])) as unknown as Client),
    get: async (...args) => {
      alive()
      return client.get(...args)
    },
    list: async (...args) => {
      alive()
      return client.list(...args)
    },
    watch: (...args) => client.watch(...args),
    raw: async (...args) => {
      alive()
      return client.raw(...args)
    },
    as: () => {
      throw new Error('not here')
    },
    get writes() {
      return writes
    },
    get isCut() {
      return gone
    },
  }
}
