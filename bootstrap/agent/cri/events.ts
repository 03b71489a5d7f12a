/**
 * containerd's own event stream (containerd.services.events.v1.Events/Subscribe): CRI's GetContainerEvents does not exist
 * before containerd 1.7. An exit arrives about 5 ms after the process ends.
 */

import { setTimeout as delay } from 'node:timers/promises'
import type { Client } from '@grpc/grpc-js'
import { Codec } from '../../protobuf/codec.ts'
import type { RuntimeEvent } from '../runtime.ts'

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
export async function* containerdEvents(grpc: Client, signal: AbortSignal): AsyncGenerator<RuntimeEvent> {
  while (!signal.aborted) {
    const stream = grpc.makeServerStreamRequest(
      '/containerd.services.events.v1.Events/Subscribe',
      (request: object) => codec.encode('SubscribeRequest', request),
      data => ({ event: runtimeEventOf(data) }),
      { filters },
    )
    const cancel = () => stream.cancel()
    signal.addEventListener('abort', cancel, { once: true })
    try {
      yield { type: 'relist' }
      for await (const { event } of stream) if (event) yield event as RuntimeEvent
    } catch {
      // The connection broke or containerd restarted: connect again below.
    } finally {
      signal.removeEventListener('abort', cancel)
      stream.cancel()
    }
    await delay(500, undefined, { signal, ref: false }).catch(() => undefined)
  }
}
