/**
 * Docker and some firewalls drop what a machine forwards, in iptables' own table, where no other table can let it through.
 * As flannel does, pods are accepted there; but only where somebody drops.
 */
import { cidrFamily } from '../../../api/cidr.ts'
import type { Exec } from '../exec.ts'

const comment = ['-m', 'comment', '--comment', 'flanneld forward']

/** Without iptables on the machine nobody has dropped anything with it. */
export async function acceptForwarding(exec: Exec, clusterCidrs: readonly string[]): Promise<void> {
  for (const cidr of clusterCidrs) {
    const program = cidrFamily(cidr) === 'IPv6' ? 'ip6tables' : 'iptables'
    const rules = await exec(program, ['-w', '-S', 'FORWARD']).catch(() => '')
    if (!rules.includes('-P FORWARD DROP')) continue
    for (const side of ['-s', '-d']) {
      if (rules.includes(`-A FORWARD ${side} ${cidr} `)) continue
      await exec(program, ['-w', '-I', 'FORWARD', side, cidr, ...comment, '-j', 'ACCEPT'])
    }
  }
}
