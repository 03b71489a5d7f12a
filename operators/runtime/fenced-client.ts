/** A client that stops working when somebody else may be working in its place. */
import { errors } from '../../bootstrap/api/errors.ts'
import type { Client } from '../../bootstrap/client/client.ts'

/** The same client while `open()`; after that every write is refused. Reads go on. */
export function fencedClient(client: Client, open: () => boolean): Client {
  const refuse = () => Promise.reject(errors.serviceUnavailable('this server is no longer the leader'))
  return {
    get: (resource, name) => client.get(resource, name),
    list: (resource, options) => client.list(resource, options),
    watch: (resource, options, signal) => client.watch(resource, options, signal),
    create: (resource, object, options) => (open() ? client.create(resource, object, options) : refuse()),
    update: (resource, object, options) => (open() ? client.update(resource, object, options) : refuse()),
    patch: (resource, name, patch, options) => (open() ? client.patch(resource, name, patch, options) : refuse()),
    delete: (resource, name, options) => (open() ? client.delete(resource, name, options) : refuse()),
    deleteCollection: (resource, selector, options) =>
      open() ? client.deleteCollection(resource, selector, options) : refuse(),
    raw: (method, path, body) => (method === 'GET' || open() ? client.raw(method, path, body) : refuse()),
    as: (user, groups) => fencedClient(client.as(user, groups), open),
  }
}
