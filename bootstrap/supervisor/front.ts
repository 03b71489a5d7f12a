/** The server's port from its first moment on: until the API is there, everybody is told to come back. */
import { STATUS_CODES } from 'node:http'
import { type Handle, type Listening, type ListenOptions, listen } from '../apiserver/http/listener.ts'
import type { ApiServer } from '../apiserver/server.ts'
import type { UpgradeHandler } from '../apiserver/upgrade.ts'
import { lastWords } from '../streaming/http.ts'
import { refuse } from './answers.ts'

export type Identity = Pick<ListenOptions, 'key' | 'cert' | 'clientCa' | 'certificateFor'>

export interface Front {
  /** Listens with these certificates; once it does, goes on with them. Rejects when the port cannot be had. */
  open(identity: Identity): Promise<void>
  /** From now on the API answers. Rejects when `open` has not succeeded. */
  handOver(api: Pick<ApiServer, 'handle' | 'upgrade'>): Promise<Listening>
  close(): Promise<void>
}

export function frontOf(host: string, port: number): Front {
  let handle: Handle = async request => refuse(request, 503, 'starting')
  let upgrade: UpgradeHandler = (_request, socket) => {
    lastWords(socket, `HTTP/1.1 503 ${STATUS_CODES[503]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
  }
  let current: Identity | undefined
  let listening: Promise<Listening> | undefined
  return {
    async open(identity) {
      current = identity
      if (listening) (await listening).setCertificate(identity)
      else
        listening = listen(request => handle(request), {
          host,
          port,
          ...identity,
          ...(identity.certificateFor ? { certificateFor: name => current?.certificateFor?.(name) } : {}),
          onUpgrade: (request, socket, head) => upgrade(request, socket, head),
        })
      await listening
    },
    async handOver(api) {
      if (!listening) throw new Error('the port was not opened before the API took it over')
      handle = api.handle
      upgrade = api.upgrade
      return listening
    },
    async close() {
      await (await listening?.catch(() => undefined))?.close()
    },
  }
}
