/** Service account tokens for projected volumes, kept until they have lived 80 % of their life or a day. */
import { isNotFound } from '../../api/errors.ts'
import { parseTime } from '../../api/time.ts'
import type { Client } from '../../client/client.ts'
import type { Clock } from '../../client/clock.ts'
import { type Pod, serviceAccounts } from '../../client/resources.ts'

interface Token {
  readonly text: string
  readonly issuedAt: number
  readonly expiresAt: number
  readonly refreshAt: number
}

const day = 86_400_000

export class Tokens {
  readonly #client: Client
  readonly #clock: Clock
  readonly #random: () => number
  readonly #tokens = new Map<string, Token>()

  constructor(client: Client, clock: Clock, random: () => number) {
    this.#client = client
    this.#clock = clock
    this.#random = random
  }

  /** A token bound to the pod. When a refresh fails, one that has not expired yet is used on. */
  async get(
    pod: Pod,
    audience: string | undefined,
    expirationSeconds: number,
  ): Promise<{ text: string; refreshAt: number }> {
    const key = JSON.stringify([pod.metadata.uid, pod.spec.serviceAccountName, audience, expirationSeconds])
    const held = this.#tokens.get(key)
    const now = this.#clock.now()
    if (held && now < held.refreshAt) return held
    try {
      const fresh = await this.#request(pod, audience, expirationSeconds)
      this.#tokens.set(key, fresh)
      return fresh
    } catch (error) {
      if (held && now < held.expiresAt && !isNotFound(error)) return { text: held.text, refreshAt: now + 60_000 }
      throw error
    }
  }

  forget(uid: string): void {
    for (const key of this.#tokens.keys()) if (key.startsWith(`["${uid}",`)) this.#tokens.delete(key)
  }

  async #request(pod: Pod, audience: string | undefined, expirationSeconds: number): Promise<Token> {
    const { name = '', namespace, uid } = pod.metadata
    const account = pod.spec.serviceAccountName ?? 'default'
    const request = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      metadata: { namespace },
      spec: {
        ...(audience ? { audiences: [audience] } : {}),
        expirationSeconds,
        boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name, uid },
      },
    }
    const issuedAt = this.#clock.now()
    const answer = await this.#client.create(serviceAccounts, request, { subresource: 'token', name: account })
    const { token = '', expirationTimestamp } =
      (answer as { status?: { token?: string; expirationTimestamp?: string } }).status ?? {}
    const expiresAt = parseTime(expirationTimestamp) ?? issuedAt + expirationSeconds * 1000
    const life = expiresAt - issuedAt
    const refreshAfter = Math.min(life * 0.8, day) - this.#random() * Math.min(10_000, life * 0.1)
    return { text: token, issuedAt, expiresAt, refreshAt: issuedAt + refreshAfter }
  }
}
