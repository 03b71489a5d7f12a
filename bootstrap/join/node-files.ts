/** The files of a joined node below agent/, named as K3s names them. */
import { createPrivateKey, type KeyObject } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { keyPem, newKey } from '../pki/certificate.ts'
import { readIfPresent, writeAtomically } from '../pki/files.ts'
import { kubeconfigOfFiles } from '../pki/kubeconfig.ts'

export type CertificateName = 'serving-kubelet' | 'client-kubelet' | 'client-kube-proxy' | 'client-k3s-controller'
export type CaName = 'server-ca' | 'client-ca'

/** A certificate (with its chain) and its key, in PEM. */
export interface KeyPair {
  readonly cert: string
  readonly key: string
}

const kubeconfigs: readonly (readonly [file: string, client: CertificateName])[] = [
  ['kubelet', 'client-kubelet'],
  ['kubeproxy', 'client-kube-proxy'],
  ['k3scontroller', 'client-k3s-controller'],
]

export class NodeFiles {
  readonly #folder: string

  constructor(dataDir: string) {
    this.#folder = join(dataDir, 'agent')
  }

  /** The path of a file of the agent's. */
  path(name: string): string {
    return join(this.#folder, name)
  }

  async prepare(): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
  }

  /** The pair an earlier join left; undefined unless it is whole. */
  async pair(name: CertificateName): Promise<KeyPair | undefined> {
    const [cert, key] = await Promise.all([this.#read(`${name}.crt`), this.#read(`${name}.key`)])
    return cert && key ? { cert, key } : undefined
  }

  /** The key of a certificate, which never leaves this machine; made on first use. */
  async key(name: CertificateName): Promise<KeyObject> {
    const found = await this.#read(`${name}.key`)
    if (found) return createPrivateKey(found)
    const key = newKey()
    await this.#keep(`${name}.key`, keyPem(key))
    return key
  }

  async ca(name: CaName): Promise<string | undefined> {
    return (await this.#read(`${name}.crt`)) || undefined
  }

  async write(name: CertificateName | CaName, pem: string): Promise<void> {
    await this.#keep(`${name}.crt`, pem)
  }

  /** The components' kubeconfigs; `server` is the URL by which they reach the API. */
  async writeKubeconfigs(server: string): Promise<void> {
    for (const [file, client] of kubeconfigs) {
      const pair = { certPath: this.path(`${client}.crt`), keyPath: this.path(`${client}.key`) }
      await this.#keep(`${file}.kubeconfig`, kubeconfigOfFiles(server, this.path('server-ca.crt'), pair))
    }
  }

  #read(name: string): Promise<string | undefined> {
    return readIfPresent(this.path(name))
  }

  async #keep(name: string, text: string): Promise<void> {
    if ((await this.#read(name)) !== text) await writeAtomically(this.path(name), text)
  }
}
