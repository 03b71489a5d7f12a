import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import type { Client } from '../../client/client.ts'
import type { ContainerConfig, Mount, PodSandboxConfig, Runtime, RuntimeEvent } from '../runtime.ts'
import { withGuests } from './guests.ts'
import type { EmbeddedContext, EmbeddedModule } from './module.ts'
import { EmbeddedPodRuntime } from './runtime.ts'

let logDirectory: string
beforeEach(() => {
  logDirectory = mkdtempSync(join(tmpdir(), 'skiff-embedded-'))
})
afterEach(() => rmSync(logDirectory, { recursive: true }))

const sandboxConfig = (): PodSandboxConfig => ({
  metadata: { name: 'dns', namespace: 'kube-system', uid: 'u1', attempt: 0 },
  logDirectory,
  dnsConfig: { servers: [], searches: [], options: [] },
  portMappings: [],
  labels: { app: 'dns' },
  annotations: {},
  linux: {
    cgroupParent: '',
    sysctls: {},
    securityContext: { namespaceOptions: { network: 'POD', pid: 'CONTAINER', ipc: 'POD' } },
  },
})

const containerConfig = (image: string): ContainerConfig =>
  ({
    metadata: { name: 'c', attempt: 0 },
    image: { image },
    command: [],
    args: ['-conf', '/etc/app/file'],
    envs: [{ key: 'A', value: Buffer.from('b') }],
    mounts: [
      { containerPath: '/etc/app', hostPath: '/host/volume', readonly: true, propagation: 'PROPAGATION_PRIVATE' },
      { containerPath: '/etc/slash/', hostPath: '/host/slash/', readonly: true, propagation: 'PROPAGATION_PRIVATE' },
    ],
    labels: {},
    annotations: {},
    logPath: 'c/0.log',
    stdin: false,
    stdinOnce: false,
    tty: false,
    linux: { resources: {}, securityContext: {} },
  }) as unknown as ContainerConfig

/** A runtime with one module called "m", and what happened to its addresses. */
function runtimeWith(module: EmbeddedModule, client: object = {}) {
  const released: string[] = []
  const runtime = new EmbeddedPodRuntime({
    modules: new Map([['m', async () => module]]),
    addresses: { allocate: async () => ['10.42.0.9'], release: async (_, ips) => void released.push(...ips) },
    nodeName: 'n1',
    clientOf: () => client as Client,
    certificate: () => ({ cert: '', key: '' }),
    clock: { now: () => 1000, sleep: async () => {} },
    version: 'v1',
  })
  return { runtime, released }
}

async function runModule(module: EmbeddedModule, client?: object) {
  const { runtime, released } = runtimeWith(module, client)
  const sandbox = await runtime.runPodSandbox(sandboxConfig())
  const id = await runtime.createContainer(sandbox, containerConfig('embedded/m'), sandboxConfig())
  const events = runtime.events(new AbortController().signal)[Symbol.asyncIterator]()
  const nextEvent = async (): Promise<RuntimeEvent> => (await events.next()).value
  await runtime.startContainer(id)
  expect(await nextEvent()).toEqual({ type: 'started', containerId: id })
  return { runtime, released, sandbox, id, nextEvent }
}

test('a module gets its arguments, environment, mounts and pod, and its output becomes a CRI log', async () => {
  let seen: EmbeddedContext | undefined
  const { runtime, id, nextEvent } = await runModule({
    async run(context) {
      seen = context
      context.stdout('hello\nwor')
      context.stdout('ld\n')
      context.stderr('bad')
      return 3
    },
  })
  expect(await nextEvent()).toEqual({ type: 'exited', containerId: id, exitCode: 3 })
  expect(seen).toMatchObject({
    args: ['-conf', '/etc/app/file'],
    env: { A: 'b' },
    pod: { name: 'dns', ips: ['10.42.0.9'], nodeName: 'n1' },
  })
  expect(seen!.hostPath('/etc/app/file')).toBe('/host/volume/file')
  expect(seen!.hostPath('/etc/slash/file')).toBe('/host/slash/file')
  expect(seen!.hostPath('/etc/application')).toBe('/etc/application')
  const stamp = '1970-01-01T00:00:01.000000000Z'
  expect(readFileSync(join(logDirectory, 'c/0.log'), 'utf8')).toBe(
    `${stamp} stdout F hello\n${stamp} stdout F world\n${stamp} stderr F bad\n`,
  )
  expect(await runtime.containerStatus(id)).toMatchObject({ state: 'CONTAINER_EXITED', exitCode: 3, reason: 'Error' })
})

test('a throwing module exits with 1 and says why', async () => {
  const { runtime, id, nextEvent } = await runModule({ run: async () => Promise.reject(new Error('no such zone')) })
  expect(await nextEvent()).toMatchObject({ exitCode: 1 })
  expect(await runtime.containerStatus(id)).toMatchObject({ exitCode: 1, message: 'no such zone' })
})

test('stop asks first, and gives up on a module that does not listen', async () => {
  const kind: EmbeddedModule = {
    run: ({ signal }) => new Promise(resolve => signal.addEventListener('abort', () => resolve(0))),
  }
  const polite = await runModule(kind)
  await polite.runtime.stopContainer(polite.id, 5)
  expect(await polite.runtime.containerStatus(polite.id)).toMatchObject({ exitCode: 0, reason: 'Completed' })

  const deaf = await runModule({ run: () => new Promise(() => {}) })
  await deaf.runtime.stopContainer(deaf.id, 0)
  expect(await deaf.runtime.containerStatus(deaf.id)).toMatchObject({ exitCode: 137 })
})

test('a module that returns after it was given up on has ended once', async () => {
  let finish = (_: number): void => {}
  const slow = await runModule({ run: () => new Promise(resolve => (finish = resolve)) })
  await slow.runtime.stopContainer(slow.id, 0)
  expect(await slow.nextEvent()).toMatchObject({ type: 'exited', exitCode: 137 })
  finish(0)
  await new Promise(resolve => setImmediate(resolve))
  expect(await slow.runtime.containerStatus(slow.id)).toMatchObject({ exitCode: 137 })
})

test('an image may carry a tag', async () => {
  const { runtime } = runtimeWith({ run: async () => 0 })
  expect(await runtime.imageStatus('embedded/m:1.2')).toMatchObject({ id: 'embedded/m:1.2' })
  const sandbox = await runtime.runPodSandbox(sandboxConfig())
  await runtime.createContainer(sandbox, containerConfig('embedded/m:1.2'), sandboxConfig())
})

test('removing a sandbox gives its address back and forgets its containers', async () => {
  const { runtime, released, sandbox } = await runModule({ run: () => new Promise(() => {}) })
  expect(await runtime.podSandboxStatus(sandbox)).toMatchObject({ ips: ['10.42.0.9'], state: 'SANDBOX_READY' })
  await runtime.removePodSandbox(sandbox)
  expect(released).toEqual(['10.42.0.9'])
  expect(await runtime.listContainers()).toEqual([])
  await expect(runtime.podSandboxStatus(sandbox)).rejects.toMatchObject({ code: 5 })
})

test('an unknown module is no image; exec says why it cannot be', async () => {
  const { runtime } = runtimeWith({ run: async () => 0 })
  expect(await runtime.imageStatus('embedded/nope')).toBeUndefined()
  await expect(runtime.pullImage('nginx')).rejects.toMatchObject({ code: 5 })
  await expect(runtime.execSync()).rejects.toMatchObject({
    code: 12,
    message: expect.stringContaining('embedded pods'),
  })
})

test('a module that ends too late is cut off from the cluster', async () => {
  const asked: string[] = []
  let go = () => {}
  const working = new Promise<void>(resolve => (go = resolve))
  let outcome: unknown
  const slow: EmbeddedModule = {
    async run({ client }) {
      const pods = { group: '', version: 'v1', resource: 'pods', kind: 'Pod', namespaced: true }
      await client.get(pods, { name: 'before' })
      await working
      outcome = await client.get(pods, { name: 'after' }).catch(error => error)
      return 0
    },
  }
  const { runtime, id } = await runModule(slow, {
    get: async (_: unknown, { name }: { name: string }) => void asked.push(name),
  })
  await runtime.stopContainer(id, 0)
  expect(await runtime.containerStatus(id)).toMatchObject({ exitCode: 137 })
  go()
  await new Promise(setImmediate)
  expect(asked).toEqual(['before'])
  expect(outcome).toEqual(new Error('the container has ended'))
})

test('images of modules satisfy pods that must not run as root', async () => {
  const { runtime } = runtimeWith({ run: async () => 0 })
  expect((await runtime.imageStatus('embedded/m'))?.uid).toBeGreaterThan(0)
})

test('a module that may be a guest runs beside the containers of another runtime, with the token of its pod only', async () => {
  const guest: EmbeddedModule = { guest: true, run: async () => 0 }
  const { runtime } = runtimeWith(guest)
  const real: string[] = []
  const sandboxes = {
    stopPodSandbox: async (id: string) => void real.push(`stop ${id}`),
    removePodSandbox: async () => {},
  }
  const containers = { listContainers: async () => [{ id: 'real' }], createContainer: async () => 'real' }
  const mixed = withGuests({ ...sandboxes, ...containers } as unknown as Runtime, runtime)
  const config = containerConfig('embedded/m')
  const token = {
    containerPath: '/var/run/secrets/kubernetes.io/serviceaccount',
    hostPath: '/t',
    readonly: true,
  } as Mount
  const withToken = { ...config, mounts: [...config.mounts, token] }

  await expect(mixed.createContainer('s', config, sandboxConfig())).rejects.toThrow(
    'needs the token of a service account',
  )
  expect(await mixed.createContainer('s', containerConfig('busybox'), sandboxConfig())).toBe('real')
  const id = await mixed.createContainer('s', withToken, sandboxConfig())
  await mixed.startContainer(id)
  expect((await mixed.listContainers()).map(container => container.id)).toEqual(['real', id])
  expect(await mixed.imageStatus('embedded/m')).toMatchObject({ id: 'embedded/m' })
  await mixed.stopPodSandbox('s')
  expect(real).toEqual(['stop s'])
  expect(await mixed.containerStatus(id)).toMatchObject({ state: 'CONTAINER_EXITED' })
  await mixed.removePodSandbox('s')
  expect(runtime.holds(id)).toBe(false)
})

test('a module that is none may not be run in ordinary pods', async () => {
  const { runtime } = runtimeWith({ run: async () => 0 })
  const refused = runtime.createGuest('s', containerConfig('embedded/m'), sandboxConfig())
  await expect(refused).rejects.toThrow('module m runs in pods of the runtime class embedded only')
})
