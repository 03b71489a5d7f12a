/** The certificate for hosts that have none, under the name Traefik gives its own. Made by openssl, kept over restarts. */
import { execFile } from 'node:child_process'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Certificate } from './model/model.ts'

const run = promisify(execFile)
const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '3650']
const names = ['-subj', '/CN=TRAEFIK DEFAULT CERT', '-addext', 'subjectAltName=DNS:default.traefik.default']

export async function selfSigned(folder: string): Promise<Certificate> {
  const path = join(folder, 'default-certificate.pem')
  const known = await readFile(path, 'utf8').catch(() => undefined)
  if (known !== undefined) return { name: 'default', pem: known, hosts: [] }
  const { stdout } = await run('openssl', [...request, ...names, '-keyout', '-', '-out', '-'])
  await writeFile(`${path}.new`, stdout, { mode: 0o600 })
  await rename(`${path}.new`, path)
  return { name: 'default', pem: stdout, hosts: [] }
}
