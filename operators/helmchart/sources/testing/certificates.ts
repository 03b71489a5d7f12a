/** A CA and what it signs, by openssl, for servers and clients of tests. */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface KeyPair {
  readonly cert: string
  readonly key: string
  /** The files below the folder. */
  readonly certFile: string
  readonly keyFile: string
}

/** Makes NAME.crt and NAME.key in `folder`; self-signed without an issuer. */
export function keyPair(folder: string, name: string, issuer?: KeyPair): KeyPair {
  const certFile = join(folder, `${name}.crt`)
  const keyFile = join(folder, `${name}.key`)
  const requestFile = join(folder, `${name}.csr`)
  const extensions = join(folder, `${name}.ext`)
  const ssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' })
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', keyFile]
  if (issuer) {
    writeFileSync(extensions, 'subjectAltName=IP:127.0.0.1,DNS:localhost\n')
    ssl('req', ...newKey, '-subj', `/CN=${name}`, '-out', requestFile)
    const signer = ['-CA', issuer.certFile, '-CAkey', issuer.keyFile, '-CAcreateserial']
    ssl('x509', '-req', '-in', requestFile, ...signer, '-days', '2', '-extfile', extensions, '-out', certFile)
  } else ssl('req', '-x509', ...newKey, '-subj', `/CN=${name}`, '-days', '2', '-out', certFile)
  return { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8'), certFile, keyFile }
}
