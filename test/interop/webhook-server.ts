/** An admission webhook server: real HTTPS on loopback, its answers made by the test. */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Json } from '../integration/http-client.ts'

export interface WebhookServer {
  readonly port: number
  /** Base64, as clientConfig wants it. */
  readonly caBundle: string
  /** The requests of the reviews so far, by path. */
  readonly asked: Map<string, Json[]>
  close(): Promise<void>
}

/** Answers to the path it is asked at: the response without uid, a whole text, "!404 ..." with that code, or undefined to keep the caller waiting. */
export type Answer = (path: string, request: Json) => Json | string | undefined

/** `names` are in its certificate beside 127.0.0.1. */
export async function startWebhookServer(answer: Answer, names: readonly string[] = []): Promise<WebhookServer> {
  const { cert, key } = certificate(names)
  const asked = new Map<string, Json[]>()
  const server = createServer({ cert, key }, (incoming, outgoing) => {
    const chunks: Buffer[] = []
    incoming.on('data', chunk => chunks.push(chunk))
    incoming.on('end', () => {
      const path = new URL(incoming.url ?? '', 'https://x').pathname
      const { apiVersion, kind, request } = JSON.parse(Buffer.concat(chunks).toString())
      asked.set(path, [...(asked.get(path) ?? []), request])
      const response = answer(path, request)
      if (response === undefined) return
      if (typeof response === 'string') {
        const code = /^!(\d+)/.exec(response)?.[1]
        return void outgoing.writeHead(Number(code ?? 200)).end(response)
      }
      outgoing.setHeader('content-type', 'application/json')
      outgoing.end(JSON.stringify({ apiVersion, kind, response: { uid: request.uid, ...response } }))
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    caBundle: Buffer.from(cert).toString('base64'),
    asked,
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

function certificate(names: readonly string[]): { cert: string; key: string } {
  const folder = mkdtempSync(join(tmpdir(), 'skiff-webhook-'))
  const alternatives = ['IP:127.0.0.1', 'DNS:localhost', ...names.map(name => `DNS:${name}`)].join(',')
  const words = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'key', '-out', 'cert', '-days', '2']
  try {
    execFileSync('openssl', [...words, '-subj', '/CN=webhook', '-addext', `subjectAltName=${alternatives}`], {
      cwd: folder,
      stdio: 'pipe',
    })
    return { cert: readFileSync(join(folder, 'cert'), 'utf8'), key: readFileSync(join(folder, 'key'), 'utf8') }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** A patch as a webhook's answer carries it. */
export function patch(...operations: readonly Json[]): Json {
  return { allowed: true, patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(operations)).toString('base64') }
}
