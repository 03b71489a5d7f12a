/** The server's port with its certificate: open as soon as there is a PKI, the API's once that is assembled. */
import { X509Certificate } from 'node:crypto'
import { join } from 'node:path'
import type { Listening } from './apiserver/http/listener.ts'
import type { ApiServer } from './apiserver/server.ts'
import { systemClock } from './client/clock.ts'
import type { ServerConfig } from './config/server-config.ts'
import type { Logger } from './log.ts'
import { sansOf } from './pki/certificate.ts'
import type { Pki } from './pki/pki.ts'
import { ServingCertificate } from './serving/serving.ts'
import { frontOf } from './supervisor/front.ts'

export interface Port {
  /** Once, and again when the PKI had to be made anew. */
  open(pki: Pki): Promise<void>
  handOver(api: Pick<ApiServer, 'handle' | 'upgrade'>): Promise<{ listening: Listening; serving: ServingCertificate }>
  close(): Promise<void>
}

export function portOf(config: ServerConfig, log: Logger): Port {
  const front = frontOf(config.bindAddress, config.httpsPort)
  let serving: ServingCertificate | undefined
  return {
    async open(pki) {
      const certificate = await openServing(config, pki, log)
      serving = certificate
      await front.open({
        ...certificate.current,
        clientCa: [pki.clientCa.cert, pki.requestHeaderCa.cert].join(''),
        ...(config.tlsSanSecurity ? {} : { certificateFor: name => certificate.asked(name) }),
      })
    },
    async handOver(api) {
      const listening = await front.handOver(api)
      if (!serving) throw new Error('the port was handed over before it was opened')
      serving.onChange(material => listening.setCertificate(material))
      return { listening, serving }
    },
    close: () => front.close(),
  }
}

function openServing(config: ServerConfig, pki: Pki, log: Logger): Promise<ServingCertificate> {
  return ServingCertificate.open({
    dir: join(config.dataDir, 'server/tls'),
    issuer: { ca: pki.serverCa, issue: pki.issue },
    names: sansOf(new X509Certificate(pki.serving.cert)),
    strict: config.tlsSanSecurity,
    clock: systemClock,
    log: log.child({ component: 'serving' }),
  })
}
