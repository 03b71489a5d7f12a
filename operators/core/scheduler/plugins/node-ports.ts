/** Host ports: one pod at a time per port, protocol and address. */
import type { Pod } from '../../../../bootstrap/client/resources.ts'
import type { Plugin } from '../plugin.ts'

interface HostPort {
  readonly ip: string
  readonly protocol: string
  readonly port: number
}

function hostPorts(pod: Pod): HostPort[] {
  const containers = [
    ...pod.spec.containers,
    ...(pod.spec.initContainers ?? []).filter(container => container.restartPolicy === 'Always'),
  ]
  return containers.flatMap(container =>
    (container.ports ?? [])
      .filter(port => (port.hostPort ?? 0) > 0)
      .map(port => ({ ip: port.hostIP || '0.0.0.0', protocol: port.protocol ?? 'TCP', port: port.hostPort! })),
  )
}

const anyAddress = (ip: string): boolean => ip === '0.0.0.0' || ip === '::'

const collide = (a: HostPort, b: HostPort): boolean =>
  a.port === b.port && a.protocol === b.protocol && (a.ip === b.ip || anyAddress(a.ip) || anyAddress(b.ip))

export const nodePorts: Plugin = {
  name: 'NodePorts',
  judge(pod) {
    const wanted = hostPorts(pod)
    if (wanted.length === 0) return undefined
    return {
      filter: node => {
        const taken = [...node.pods.values()].flatMap(hostPorts)
        return wanted.some(port => taken.some(other => collide(port, other)))
          ? { reason: "node(s) didn't have free ports for the requested pod ports" }
          : undefined
      },
    }
  },
}
