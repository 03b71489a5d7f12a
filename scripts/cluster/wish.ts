/** What kind of cluster is wanted, read from variables as `make` passes them on. */
export type DatastoreWish = 'sqlite' | 'embedded-etcd' | 'etcd' | 'postgres' | 'mysql'

export interface Wish {
  readonly name: string
  readonly servers: number
  readonly agents: number
  readonly datastore: DatastoreWish
  readonly flags: readonly string[]
  readonly agentFlags: readonly string[]
  /** Ports of this machine, and of the nodes they lead to. */
  readonly ports: readonly { readonly host: number; readonly cluster: number }[]
  /** Archives of images for all nodes. */
  readonly images: readonly string[]
}

/** What the user can put right, in one line. */
export class WishError extends Error {}

const datastores: readonly DatastoreWish[] = ['sqlite', 'embedded-etcd', 'etcd', 'postgres', 'mysql']

export function parseWish(env: { readonly [name: string]: string | undefined }): Wish {
  const name = env.NAME || 'dev'
  if (!/^[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?$/.test(name))
    throw new WishError(`NAME=${name}: lower case letters, digits and dashes, at most 22`)
  const servers = count(env, env.SERVERS ? 'SERVERS' : 'NODES', 1)
  const agents = count(env, 'AGENTS', 0)
  if (servers === 0) throw new WishError('NODES=0: a cluster needs a server')
  if (servers + agents > 100) throw new WishError('at most 100 nodes')
  const datastore = (env.DATASTORE || (servers > 1 ? 'embedded-etcd' : 'sqlite')) as DatastoreWish
  if (!datastores.includes(datastore)) throw new WishError(`DATASTORE=${datastore}: one of ${datastores.join(', ')}`)
  if (datastore === 'sqlite' && servers > 1)
    throw new WishError('DATASTORE=sqlite: a file serves one server; several need etcd, postgres or mysql')
  const [flags, agentFlags, images] = [words(env.FLAGS), words(env.AGENT_FLAGS), words(env.IMAGES)]
  return { name, servers, agents, datastore, flags, agentFlags, images, ports: words(env.PORTS).map(portPair) }
}

function count(env: { readonly [name: string]: string | undefined }, name: string, otherwise: number): number {
  const text = env[name] || String(otherwise)
  if (!/^\d{1,3}$/.test(text)) throw new WishError(`${name}=${text}: a number`)
  return Number(text)
}

function words(text = ''): string[] {
  return text.split(/\s+/).filter(word => word !== '')
}

function portPair(text: string): Wish['ports'][number] {
  const [, host, cluster = host] = /^(\d{1,5})(?::(\d{1,5}))?$/.exec(text) ?? []
  if (host === undefined) throw new WishError(`PORTS=${text}: HOST:NODE, e.g. 8080:80`)
  return { host: Number(host), cluster: Number(cluster) }
}
