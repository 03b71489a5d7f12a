/**
 * A program: a cluster to try things on by hand, apart from this machine, until Ctrl-C.
 *   node test/testbed/play.ts [flags of skiff server]
 */
import { once } from 'node:events'
import { startCluster } from './cluster.ts'

const cluster = await startCluster({ flags: process.argv.slice(2) })
const [program, args] = cluster.bed.enter([])
console.log(`
The node is ready. A shell on it, with kubectl:
  KUBECONFIG=/etc/rancher/k3s/k3s.yaml HOME=${cluster.bed.dir}/home ${program} ${args.join(' ')} bash
Its data-dir: ${cluster.file('')}
Images for pods: busybox:1 (with bash, getent and fetch HOST[:PORT][/PATH]), web:1 (HTTP on port 80). Ctrl-C ends it all.`)
await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
await cluster.destroy()
