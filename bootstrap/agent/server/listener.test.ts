import { createPublicKey, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:tls'
import { expect, test } from '@jest/globals'
import { issueCertificate, newKey } from '../../pki/certificate.ts'
import { selfSigned } from '../../pki/self-signed.ts'
import type { KubeletHandler } from './handler.ts'
import { listenKubelet } from './listener.ts'

const caKey = newKey()
const clientCa = issueCertificate(
  { commonName: 'ca', isCa: true, notBefore: Date.now() - 1000, notAfter: Date.now() + 3_600_000 },
  createPublicKey(caKey),
  caKey,
)

async function served(port: number): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const certificate = new X509Certificate(socket.getPeerCertificate().raw).toString()
  socket.destroy()
  return certificate
}

test('a renewed certificate is served without a restart', async () => {
  const [first, second] = [1, 2].map(() => selfSigned(['node'], Date.now()))
  const options = { port: 0, bindAddress: '127.0.0.1', certificate: first!.cert, key: first!.key, clientCa }
  const listener = await listenKubelet(options, {} as KubeletHandler)
  expect(await served(listener.port)).toBe(first!.cert)
  listener.useCertificate?.({ certificate: second!.cert, key: second!.key, clientCa })
  expect(await served(listener.port)).toBe(second!.cert)
  listener.close()
})
