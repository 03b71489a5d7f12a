/** A CA with a server's and a client's certificate, made by openssl. */
import { execFileSync } from 'node:child_process'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface CertificateFiles {
  readonly ca: string
  readonly cert: string
  readonly key: string
}

export interface Certificates {
  readonly dir: string
  readonly server: CertificateFiles
  readonly client: CertificateFiles
  /** Another CA, which signed none of these. */
  readonly otherCa: string
}

/** For 127.0.0.1 and the database user `clientName`. */
export async function makeCertificates(clientName: string): Promise<Certificates> {
  const dir = await mkdtemp(join(tmpdir(), 'skiff-certificates-'))
  const file = (name: string) => join(dir, name)
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' })
  const key = ['-newkey', 'rsa:2048', '-nodes']
  for (const ca of ['ca', 'other'])
    openssl(
      'req',
      '-x509',
      ...key,
      '-subj',
      `/CN=${ca}`,
      '-days',
      '2',
      '-keyout',
      file(`${ca}.key`),
      '-out',
      file(`${ca}.crt`),
    )
  await writeFile(file('server.ext'), 'subjectAltName=IP:127.0.0.1\n')
  await writeFile(file('client.ext'), 'extendedKeyUsage=clientAuth\n')
  for (const [name, subject] of [
    ['server', '127.0.0.1'],
    ['client', clientName],
  ] as const) {
    openssl('req', ...key, '-subj', `/CN=${subject}`, '-keyout', file(`${name}.key`), '-out', file(`${name}.csr`))
    const signed = ['-in', file(`${name}.csr`), '-CA', file('ca.crt'), '-CAkey', file('ca.key'), '-CAcreateserial']
    openssl('x509', '-req', ...signed, '-days', '2', '-extfile', file(`${name}.ext`), '-out', file(`${name}.crt`))
  }
  const files = (name: string) => ({ ca: file('ca.crt'), cert: file(`${name}.crt`), key: file(`${name}.key`) })
  return { dir, server: files('server'), client: files('client'), otherCa: file('other.crt') }
}
