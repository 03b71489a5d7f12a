/** A client that stops working when its container ends: what SIGKILL does to a process, as far as the cluster can tell. */
import type { Client } from '../../client/client.ts'

/** Every request after `ended` has aborted rejects; its watches end. What is on its way to the server arrives. */
export function leashed(client: Client, ended: AbortSignal): Client {
  const checked = (): Client => {
    if (ended.aborted) throw new Error('the container has ended')
    return client
  }
  return {
    get: async (...args) => checked().get(...args),
    list: async (...args) => checked().list(...args),
    create: async (...args) => checked().create(...args),
    update: async (...args) => checked().update(...args),
    patch: async (...args) => checked().patch(...args),
    delete: async (...args) => checked().delete(...args),
    deleteCollection: async (...args) => checked().deleteCollection(...args),
    raw: async (...args) => checked().raw(...args),
    watch: (resource, options, signal) => checked().watch(resource, options, AbortSignal.any([signal, ended])),
    as: (user, groups) => leashed(checked().as(user, groups), ended),
  }
}
