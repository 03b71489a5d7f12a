/** Connections over TLS to a real database: only to the right one, and by certificate where it asks for one. */
import { rm } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { Datastore } from '../datastore.ts'
import { openDatastore } from '../open.ts'
import { type Certificates, makeCertificates } from './certificates.ts'
import { realClock, silent } from './processes.ts'
import type { DatabaseServer } from './sql-contract.ts'

export interface TlsEngine {
  readonly scheme: string
  readonly installed: boolean
  start(certificates: Certificates): Promise<DatabaseServer>
  /** A user whom the server knows by its certificate alone. */
  readonly certificateUser: string
  readonly makeUser: readonly string[]
}

export function tlsContract(engine: TlsEngine): void {
  ;(engine.installed ? describe : describe.skip)(`${engine.scheme} over TLS`, () => {
    let certificates: Certificates
    let server: DatabaseServer

    beforeAll(async () => {
      certificates = await makeCertificates(engine.certificateUser)
      server = await engine.start(certificates)
      for (const statement of engine.makeUser) await server.run(statement)
    }, 60_000)

    afterAll(async () => {
      await server?.destroy()
      await rm(certificates.dir, { recursive: true, force: true })
    }, 30_000)

    const open = (source: string, files: object): Promise<Datastore> =>
      openDatastore({ endpoint: `${engine.scheme}://${source}`, file: '', ...files }, { clock: realClock, log: silent })

    const refusal = async (source: string, files: object): Promise<string> =>
      ((await open(source, files).catch((error: unknown) => error)) as Error).message

    test('with the CA of the server', async () => {
      const store = await open(server.source('ca'), { caFile: certificates.server.ca })
      expect(await store.commit({ op: 'create', key: '/r/a', value: Buffer.from('x') })).toBe(1)
      await store.close()
    })

    test('not with another CA, nor with none that knows it', async () => {
      const other = await refusal(server.source('other'), { caFile: certificates.otherCa })
      expect(other).toMatch(/SQL 127\.0\.0\.1:\d+\/other: the server's certificate: .*certificate.*--datastore-cafile/)
    })

    test('not when the certificate is for another host', async () => {
      const elsewhere = server.source('host').replace('127.0.0.1', 'localhost')
      expect(await refusal(elsewhere, { caFile: certificates.server.ca })).toMatch(
        /certificate: .*(localhost|altnames)/,
      )
    })

    test('by a certificate where the server asks for one', async () => {
      const source = server.source('by_certificate').replace(/^[^@]*@/, `${engine.certificateUser}@`)
      const { ca, cert, key } = certificates.client
      const store = await open(source, { caFile: ca, certFile: cert, keyFile: key })
      expect(await store.revision()).toBe(0)
      await store.close()
      expect(await refusal(source, { caFile: ca })).toMatch(/SQL 127\.0\.0\.1:\d+\/by_certificate: /)
    })
  })
}
