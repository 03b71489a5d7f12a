/** Durable writes through the etcd datastore, next to plain puts of the same client, and over three members of one machine. */
import { systemClock } from '../../bootstrap/client/clock.ts'
import type { Datastore } from '../../bootstrap/datastore/datastore.ts'
import { Connection } from '../../bootstrap/datastore/etcd/connection.ts'
import { openEtcd } from '../../bootstrap/datastore/etcd/etcd.ts'
import { etcdInstalled, startEtcdServer } from '../../bootstrap/datastore/testing/etcd-server.ts'
import { TestCluster } from '../../bootstrap/etcd/testing/members.ts'
import { rate } from './measure.ts'
import { report } from './row.ts'

const value = Buffer.alloc(2048, 'x')
const loads = [
  { clients: 1, count: 1000 },
  { clients: 64, count: 15_000 },
] as const

async function measure(name: string, store: Datastore, direct: Connection): Promise<void> {
  for (const { clients, count } of loads) {
    const put = (i: number) =>
      direct.call('KV/Put', { key: Buffer.from(`/floor/${clients}/${i}`), value }, { repeat: false })
    const floor = await rate(clients, count, put)
    const create = (i: number) => store.commit({ op: 'create', key: `/registry/r/${clients}/${i}`, value })
    const made = await rate(clients, count, create)
    const what = `plain puts by the same client, ${clients} at once`
    report({
      figure: `${name}: durable writes, ${clients} at once`,
      unit: '/s',
      skiff: made.perSecond,
      floor: { value: floor.perSecond, what },
    })
    report({ figure: '  p99', unit: 'ms', skiff: made.p99, floor: { value: floor.p99, what } })
  }
}

async function one(): Promise<void> {
  const server = await startEtcdServer({ durable: true })
  const options = { endpoints: [server.endpoint], clock: systemClock }
  const [store, direct] = [await openEtcd(options), new Connection(options)]
  await measure('etcd', store, direct)
  direct.close()
  await store.close()
  await server.destroy()
}

async function three(): Promise<void> {
  const cluster = await TestCluster.create()
  try {
    const began = performance.now()
    const first = await cluster.add({ args: [] })
    const joining = performance.now()
    report({ figure: 'embedded etcd: first member, start to vote', unit: 'ms', skiff: joining - began })
    await cluster.add({ args: [] })
    report({ figure: 'embedded etcd: a member joins, start to vote', unit: 'ms', skiff: performance.now() - joining })
    await cluster.add({ args: [] })
    const options = { endpoints: [first.etcd.endpoint], tls: first.tls, clock: systemClock }
    const [store, direct] = [await openEtcd(options), new Connection(options)]
    await measure('embedded etcd, three members on this machine', store, direct)
    await failOver(cluster)
    direct.close()
    await store.close()
  } finally {
    await cluster.destroy()
  }
}

/** The longest a write takes through a member that stays when the leader is killed. */
async function failOver(cluster: TestCluster): Promise<void> {
  const { Membership } = await import('../../bootstrap/etcd/membership.ts')
  const leaders = await Promise.all(
    cluster.servers.map(async server => {
      const local = new Membership({ endpoints: [server.etcd.endpoint], tls: server.tls, clock: systemClock })
      const status = await local.status(5000)
      local.close()
      return status.leader === status.header.memberId
    }),
  )
  const leader = cluster.servers[leaders.indexOf(true)]!
  const other = cluster.servers[leaders.indexOf(false)]!
  const store = await other.store()
  let stop = false
  let longest = 0
  const writing = (async () => {
    for (let i = 0; !stop; i++) {
      const began = performance.now()
      await store.commit({ op: 'create', key: `/registry/failover/${i}`, value })
      longest = Math.max(longest, performance.now() - began)
    }
  })()
  process.kill(leader.etcd.pid!, 'SIGSTOP')
  await systemClock.sleep(15_000, new AbortController().signal)
  stop = true
  await writing
  process.kill(leader.etcd.pid!, 'SIGCONT')
  report({ figure: 'embedded etcd: longest write when the leader stops', unit: 'ms', skiff: longest })
  await store.close()
}

// Waiting alone does not keep a process alive.
const alive = setInterval(() => undefined, 1000)
if (etcdInstalled) {
  await one()
  await three()
}
clearInterval(alive)
