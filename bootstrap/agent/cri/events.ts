/**
 * containerd's own event stream (containerd.services.events.v1.Events/Subscribe): CRI's GetContainerEvents does not exist
 * before containerd 1.7. An exit arrives about 5 ms after the process ends.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { Codec } from '../../protobuf/codec.ts'
import type { RuntimeEvent } from '../runtime.ts'
import type { GrpcChannel } from './grpc.ts'

const codec = new Codec({
  messages: {
    SubscribeRequest: { filters: [1, '[]string'] },
    Any: { typeUrl: [1, 'string'], value: [2, 'bytes'] },
    Envelope: { namespace: [2, 'string'], topic: [3, 'string'], event: [4, 'Any'] },
    TaskExit: { containerId: [1, 'string'], id: [2, 'string'], pid: [3, 'uint32'], exitStatus: [4, 'uint32'] },
    TaskStart: { containerId: [1, 'string'], pid: [2, 'uint32'] },
    TaskOOM: { containerId: [1, 'string'] },
  },
})

const filters = ['exit', 'start', 'oom'].map(topic => `namespace==k8s.io,topic=="/tasks/${topic}"`)

interface Envelope {
  readonly topic?: string
  readonly event?: { readonly value?: Buffer }
}

/** The runtime event an envelope stands for; undefined for exec processes and other topics. */
export function runtimeEventOf(data: Buffer): RuntimeEvent | undefined {
  const { topic, event } = codec.decode('Envelope', data) as Envelope
  const value = event?.value ?? Buffer.alloc(0)
  if (topic === '/tasks/exit') {
    const { containerId, id, exitStatus = 0 } = codec.decode('TaskExit', value)
    if (id !== containerId) return undefined
    return { type: 'exited', containerId: String(containerId), exitCode: Number(exitStatus) }
  }
  if (topic === '/tasks/start')
    return { type: 'started', containerId: String(codec.decode('TaskStart', value).containerId) }
  if (topic === '/tasks/oom') return { type: 'oom', containerId: String(codec.decode('TaskOOM', value).containerId) }
  return undefined
}

/** Subscribes until `signal` aborts; each (re)connection begins with a `relist`. */
export async function* containerdEvents(
  grpc: Pick<GrpcChannel, 'stream'>,
  signal: AbortSignal,
): AsyncGenerator<RuntimeEvent> {
  const request = codec.encode('SubscribeRequest', { filters })
  while (!signal.aborted) {
    try {
      const stream = grpc.stream('/containerd.services.events.v1.Events/Subscribe', request, signal)
      // What happens while the list is read must not be missed, so the subscription comes first.
      const first = stream.next()
      first.catch(() => {})
      yield { type: 'relist' }
      for (let item = await first; !item.done; item = await stream.next()) {
        const event = runtimeEventOf(item.value)
        if (event) yield event
      }
    } catch {
      // The connection broke or containerd restarted: connect again below.
    }
    await delay(500, undefined, { signal, ref: false }).catch(() => undefined)
  }
}
