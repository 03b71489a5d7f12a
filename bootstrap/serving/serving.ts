/**
 * The certificate of port 6443 while the server runs: it gains names, is renewed before it ends, and is the same on all
 * servers, by a Secret that each of them adds its names to (K3s: rancher/dynamiclistener). Names only ever come in; what
 * was there before the API, and for a start without it, is a file.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createSecureContext, type SecureContext } from 'node:tls'
import { ignoreNotFound, isAlreadyExists, isConflict } from '../api/errors.ts'
import type { Client } from '../client/client.ts'
import type { Clock } from '../client/clock.ts'
import type { Informers } from '../client/informer.ts'
import { type Node, nodes, type Secret, secrets } from '../client/resources.ts'
import { canonicalAddress, privateKeysOf } from '../pki/certificate.ts'
import { readIfPresent, writeAtomically } from '../pki/files.ts'
import {
  type Issuer,
  issued,
  type Material,
  materialOf,
  nameIn,
  type ServingSecret,
  secretName,
  secretOf,
} from './material.ts'

export interface ServingOptions {
  /** The folder server/tls. */
  readonly dir: string
  readonly issuer: Issuer
  /** This server's own names: its addresses, the Service's names, --tls-san. */
  readonly names: readonly string[]
  /** Whether names that clients ask for are left out unless a server has them (--tls-san-security). */
  readonly strict: boolean
  readonly clock: Clock
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void }
}

interface Sharing {
  readonly client: Client
  readonly signal: AbortSignal
}

const checkEveryMs = 6 * 3_600_000
const retryMs = 5000
const attempts = 10
/** However many names clients make up, the certificate still fits into a handshake. */
const mostNames = 250
const serverRoles = ['node-role.kubernetes.io/control-plane=true', 'node-role.kubernetes.io/etcd=true']

export class ServingCertificate {
  readonly #options: ServingOptions
  readonly #listeners = new Set<(material: Material) => void>()
  #current: Material
  #context: SecureContext | undefined
  #publishing: Promise<void> | undefined
  #again = false
  #kept = Promise.resolve()
  #shared: Sharing | undefined

  /** From the file of an earlier start, if it is still good, else new. */
  static async open(options: ServingOptions): Promise<ServingCertificate> {
    const { dir, issuer, clock } = options
    const asked = join(dir, 'dynamic-cert-regenerate')
    const text = (await readIfPresent(asked)) === undefined ? await readIfPresent(fileIn(dir)) : undefined
    await rm(asked, { force: true })
    const kept = text === undefined ? undefined : materialOf(parsed(text), issuer, clock.now())
    const serving = new ServingCertificate(options, kept ?? issued(issuer, canonical(options.names)))
    if (!kept) await serving.#keep()
    serving.require(options.names)
    return serving
  }

  private constructor(options: ServingOptions, current: Material) {
    this.#options = options
    this.#current = current
  }

  get current(): Material {
    return this.#current
  }

  /** Calls back with each certificate that takes the place of another. */
  onChange(listener: (material: Material) => void): void {
    this.#listeners.add(listener)
  }

  /** Makes the certificate good for these, too. */
  require(names: Iterable<string>): void {
    const missing = canonical(names).filter(name => !this.#current.names.has(name))
    if (missing.length === 0) return
    this.#options.log.info({ names: missing }, 'adding names to the serving certificate')
    this.#use(this.#reissued(this.#current, [...this.#current.names, ...missing]))
    this.#publish()
  }

  /** A name a client has asked for. Resolves with what to answer the handshake with; undefined: as always. */
  asked(name: string): SecureContext | undefined {
    const asked = nameIn(name)
    const { strict, log } = this.#options
    if (strict || asked === undefined || this.#current.names.has(asked)) return undefined
    if (this.#current.names.size >= mostNames) {
      log.warn({ name: asked }, `the serving certificate has ${mostNames} names, no more are added`)
      return undefined
    }
    this.require([asked])
    const { cert, key } = this.#current
    this.#context ??= createSecureContext({ cert, key })
    return this.#context
  }

  /** Shares it with the other servers, follows their nodes and renews it, until the signal aborts. */
  async share(client: Client, informers: Informers, signal: AbortSignal): Promise<void> {
    this.#shared = { client, signal }
    const { name, namespace } = secretName
    const secret = informers.get(secrets, { namespace, fieldSelector: `metadata.name=${name}` })
    secret.subscribe({
      added: object => this.#see(object),
      updated: object => this.#see(object),
      deleted: () => this.#publish(),
    })
    for (const labelSelector of serverRoles) {
      const servers = informers.get(nodes, { labelSelector })
      const look = ({ status }: Node) => this.require((status?.addresses ?? []).map(({ address }) => address))
      servers.subscribe({ added: look, updated: look })
    }
    await secret.whenSynced()
    this.#publish()
    const { clock, issuer } = this.#options
    while (!signal.aborted) {
      await clock.sleep(checkEveryMs, signal).catch(() => undefined)
      if (signal.aborted || materialOf(secretOf(this.#current), issuer, clock.now())) continue
      this.#use(this.#reissued(this.#current, this.#current.names))
      this.#publish()
    }
  }

  /** What another server, or this one, has stored: taken over when it is good for all that is wanted here. */
  #see(object: Secret): void {
    const { issuer, clock } = this.#options
    const stored = materialOf(object as unknown as ServingSecret, issuer, clock.now())
    if (stored && covers(stored, this.#current.names)) this.#use(stored)
    else this.#publish()
  }

  /** Brings the Secret and what is used here together, in the background; again when it is asked for meanwhile. */
  #publish(): void {
    if (!this.#shared) return
    this.#again = true
    this.#publishing ??= this.#settle(this.#shared).finally(() => (this.#publishing = undefined))
  }

  async #settle({ client, signal }: Sharing): Promise<void> {
    while (this.#again && !signal.aborted) {
      this.#again = false
      try {
        await this.#merge(client)
      } catch (error) {
        this.#again = true
        this.#options.log.warn({ error: String(error) }, 'cannot share the serving certificate, will retry')
        await this.#options.clock.sleep(retryMs, signal).catch(() => undefined)
      }
    }
  }

  async #merge(client: Client): Promise<void> {
    const { issuer, clock } = this.#options
    for (let attempt = 1; ; attempt++) {
      const found = await client.get(secrets, secretName).catch(ignoreNotFound)
      const old = found as unknown as ServingSecret | undefined
      const stored = old && materialOf(old, issuer, clock.now())
      if (stored && covers(stored, this.#current.names)) return this.#use(stored)
      const wanted = stored ? this.#reissued(stored, [...stored.names, ...this.#current.names]) : this.#current
      const secret = secretOf(wanted, old) as unknown as Secret
      try {
        if (old) await client.update(secrets, secret)
        else await client.create(secrets, secret)
        // Names that have come meanwhile are in what is used here, and in the next round.
        if (covers(wanted, this.#current.names)) this.#use(wanted)
        return
      } catch (error) {
        if (attempt === attempts || !(isConflict(error) || isAlreadyExists(error))) throw error
      }
    }
  }

  #reissued({ key }: Material, names: Iterable<string>): Material {
    return issued(this.#options.issuer, new Set(names), privateKeysOf(key)[0])
  }

  #use(material: Material): void {
    if (material.cert === this.#current.cert) return
    this.#current = material
    this.#context = undefined
    for (const listener of this.#listeners) listener(material)
    void this.#keep()
  }

  /** One write after the other, each of what is the newest then. */
  #keep(): Promise<void> {
    const { dir, log } = this.#options
    const write = () => writeAtomically(fileIn(dir), JSON.stringify(secretOf(this.#current)))
    this.#kept = this.#kept
      .then(write)
      .catch(error => log.warn({ error: String(error) }, 'cannot keep the serving certificate'))
    return this.#kept
  }
}

const fileIn = (dir: string) => join(dir, 'dynamic-cert.json')

const covers = ({ names }: Material, wanted: Iterable<string>) => [...wanted].every(name => names.has(name))

function canonical(names: Iterable<string>): string[] {
  return [...new Set(Array.from(names, name => nameIn(name) ?? '').filter(name => name !== ''))].map(canonicalAddress)
}

function parsed(text: string): ServingSecret {
  try {
    return JSON.parse(text) as ServingSecret
  } catch {
    return { apiVersion: 'v1', kind: 'Secret', metadata: {} }
  }
}
