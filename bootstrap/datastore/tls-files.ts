/** The files of --datastore-cafile, --datastore-certfile and --datastore-keyfile. */
import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import { EndpointError } from './endpoint.ts'

export interface TlsFiles {
  readonly caFile?: string | undefined
  readonly certFile?: string | undefined
  readonly keyFile?: string | undefined
}

/** PEM texts. */
export interface TlsMaterial {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
}

/** Reads and checks the files that are named; EndpointError names the file and the flag that are wrong. */
export async function readTlsFiles({ caFile, certFile, keyFile }: TlsFiles): Promise<TlsMaterial> {
  if ((certFile === undefined) !== (keyFile === undefined))
    throw new EndpointError('--datastore-certfile and --datastore-keyfile go together: give both or none')
  const [ca, cert, key] = await Promise.all([
    read('datastore-cafile', caFile, checkCertificate),
    read('datastore-certfile', certFile, checkCertificate),
    read('datastore-keyfile', keyFile, key => createSecureContext({ key })),
  ])
  if (cert !== undefined && key !== undefined)
    check(`--datastore-keyfile ${keyFile} does not belong to --datastore-certfile ${certFile}`, () =>
      createSecureContext({ cert, key }),
    )
  return { ...(ca === undefined ? {} : { ca }), ...(cert === undefined || key === undefined ? {} : { cert, key }) }
}

function checkCertificate(pem: string): void {
  new X509Certificate(pem)
}

async function read(
  flag: string,
  file: string | undefined,
  verify: (pem: string) => void,
): Promise<string | undefined> {
  if (file === undefined) return undefined
  const pem = await readFile(file, 'utf8').catch((error: Error) => {
    throw new EndpointError(`cannot read --${flag}: ${error.message}`)
  })
  check(`--${flag} ${file} is not in PEM form`, () => verify(pem))
  return pem
}

function check(complaint: string, attempt: () => void): void {
  try {
    attempt()
  } catch (error) {
    throw new EndpointError(`${complaint}: ${(error as Error).message}`)
  }
}
