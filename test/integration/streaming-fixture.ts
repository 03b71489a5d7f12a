/** A pod in a real containerd, behind the kubelet's streaming server and a real API server, for kubectl. */
import { spawnSync } from 'node:child_process'
import { createPublicKey, X509Certificate } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { Containerd } from '../../bootstrap/agent/containerd/supervisor.ts'
import type { CriClient } from '../../bootstrap/agent/cri/client.ts'
import { ensurePauseImage, importArchive } from '../../bootstrap/agent/images/import.ts'
import { ociArchive } from '../../bootstrap/agent/images/oci-archive.ts'
import { unmountBelow } from '../../bootstrap/agent/mounts.ts'
import type { PodManager } from '../../bootstrap/agent/pods/manager.ts'
import type { PodSandboxConfig } from '../../bootstrap/agent/runtime.ts'
import { KubeletHandler } from '../../bootstrap/agent/server/handler.ts'
import { type Listener, listenKubelet } from '../../bootstrap/agent/server/listener.ts'
import { streamHandler } from '../../bootstrap/agent/server/streaming/handler.ts'
import type { Stats } from '../../bootstrap/agent/stats/summary.ts'
import type { Listening } from '../../bootstrap/apiserver/http/listener.ts'
import { type TestServer, testServer } from '../../bootstrap/apiserver/testing.ts'
import { systemClock } from '../../bootstrap/client/clock.ts'
import { issueCertificate, keyPem, newKey, type Usage } from '../../bootstrap/pki/certificate.ts'
import { type LocalNode, localNodeConnect } from '../../bootstrap/streaming/local-node.ts'

export const canStream = process.getuid?.() === 0 && spawnSync('containerd', ['--version']).status === 0

const pauseImage = 'docker.io/rancher/mirrored-pause:3.10.2'
const image = 'docker.io/library/busybox:1'
const applets = ['sh', 'cat', 'sleep', 'tar', 'ls', 'sha256sum', 'head', 'seq', 'stty', 'httpd', 'mkdir', 'echo', 'yes']
const silent = () => undefined
const log = { debug: silent, info: silent, warn: silent, error: silent }

/** kubectl of some versions, from beside the one on the PATH. */
export function kubectls(...versions: readonly string[]): [string, string][] {
  const folders = (process.env.PATH ?? '').split(delimiter)
  const found = folders.map(folder => join(folder, 'kubectl')).find(existsSync)
  if (!found) return []
  const home = dirname(realpathSync(found))
  return versions
    .map((version): [string, string] => [version, join(home, `kubectl.${version}`)])
    .filter(([, path]) => existsSync(path))
}

interface Leaf {
  readonly cert: string
  readonly key: string
}

function authority(): { readonly ca: string; leaf(commonName: string, usage: Usage): Leaf } {
  const day = 86_400_000
  const dates = { notBefore: Date.now() - day, notAfter: Date.now() + day }
  const caKey = newKey()
  const ca = issueCertificate({ commonName: 'ca', isCa: true, ...dates }, createPublicKey(caKey), caKey)
  const issuer = { certificate: new X509Certificate(ca), key: caKey }
  return {
    ca,
    leaf(commonName, usage) {
      const key = newKey()
      const spec = { commonName, sans: ['127.0.0.1'], usages: [usage], ...dates }
      return { cert: issueCertificate(spec, createPublicKey(key), issuer), key: keyPem(key) }
    },
  }
}

export class StreamingFixture {
  readonly directory = mkdtempSync(join(tmpdir(), 'skiff-stream-'))
  readonly kubeconfig = join(this.directory, 'kubeconfig')
  #containerd!: Containerd
  #cri!: CriClient
  #kubelet!: Listener
  #node!: LocalNode
  #api!: TestServer
  #listening!: Listening

  async start(): Promise<void> {
    await this.#startContainerd()
    const view = await this.#startPod()
    const pki = authority()
    const pod = { metadata: { name: 'p', namespace: 'default', uid: 'uid-1' }, spec: { containers: [] } }
    const manager = {
      pods: [pod],
      find: (namespace: string, name: string) => (namespace === 'default' && name === 'p' ? { pod, view } : undefined),
      runtimeOf: () => this.#cri,
    }
    const handler = new KubeletHandler({
      manager: manager as unknown as PodManager,
      stats: {} as Stats,
      streams: streamHandler(),
      log,
      authorize: async user => user.name === 'kube-apiserver',
    })
    const serving = pki.leaf('node-1', 'server')
    this.#kubelet = await listenKubelet(
      { port: 0, bindAddress: '127.0.0.1', certificate: serving.cert, key: serving.key, clientCa: pki.ca },
      handler,
    )
    const { port } = this.#kubelet
    this.#node = localNodeConnect({ port, ...pki.leaf('kube-apiserver', 'client'), ca: pki.ca })
    this.#api = await testServer({ nodeConnect: this.#node })
    this.#listening = await this.#api.server.listen({ port: 0, host: '127.0.0.1', ...pki.leaf('api', 'server') })
    await this.#createPodObject()
    writeFileSync(this.kubeconfig, JSON.stringify(kubeconfigOf(this.#listening.port, pki.ca)))
  }

  async stop(): Promise<void> {
    await this.#listening?.close()
    await this.#api?.stop()
    this.#node?.close()
    this.#kubelet?.close()
    if (this.#cri) await this.#containerd.killAll(this.#cri)
    await unmountBelow(this.directory)
    rmSync(this.directory, { recursive: true, force: true })
  }

  async #startContainerd(): Promise<void> {
    const agentDir = join(this.directory, 'agent')
    const cniDir = join(agentDir, 'etc/cni/net.d')
    mkdirSync(cniDir, { recursive: true })
    const ranges = [[{ subnet: '10.94.7.0/24' }]]
    const plugin = { type: 'ptp', ipam: { type: 'host-local', ranges, dataDir: join(this.directory, 'cni') } }
    const network = { cniVersion: '0.4.0', name: 'streaming', plugins: [plugin] }
    writeFileSync(join(cniDir, '10-test.conflist'), JSON.stringify(network))
    this.#containerd = new Containerd(
      {
        agentDir,
        runDir: join(this.directory, 'run'),
        snapshotter: 'overlayfs',
        sandboxImage: pauseImage,
        cniBinDir: '/usr/lib/cni',
        cniConfDir: cniDir,
        registries: {},
      },
      { clock: systemClock, log, random: Math.random },
    )
    this.#cri = await this.#containerd.start()
    const { socket } = this.#containerd
    await ensurePauseImage(pauseImage, { runtime: this.#cri, socket, clock: systemClock, log })
    const file = join(this.directory, 'busybox.tar')
    writeFileSync(file, await busyboxArchive())
    await importArchive(socket, file)
  }

  /** Containers: "c" serves HTTP on port 8080 inside the pod, "echo" answers lines on its standard input. */
  async #startPod() {
    const sandbox: PodSandboxConfig = {
      metadata: { name: 'p', uid: 'uid-1', namespace: 'default', attempt: 0 },
      hostname: 'p',
      logDirectory: join(this.directory, 'logs'),
      dnsConfig: { servers: [], searches: [], options: [] },
      portMappings: [],
      labels: {},
      annotations: {},
      linux: {
        cgroupParent: '',
        securityContext: { namespaceOptions: { network: 'POD', pid: 'CONTAINER', ipc: 'POD' } },
        sysctls: {},
      },
    }
    const sandboxId = await this.#cri.runPodSandbox(sandbox, '')
    const web = 'mkdir -p /www; yes skiff | head -c 3000000 > /www/big; exec httpd -f -p 8080 -h /www'
    const scripts = { c: web, echo: 'while read line; do echo "got $line"; done' }
    const containers = []
    for (const [name, script] of Object.entries(scripts)) {
      const id = await this.#cri.createContainer(
        sandboxId,
        {
          metadata: { name, attempt: 0 },
          image: { image },
          command: ['sh', '-c', script],
          args: [],
          envs: [],
          mounts: [],
          labels: {},
          annotations: {},
          logPath: `${name}.log`,
          stdin: name === 'echo',
          stdinOnce: false,
          tty: false,
          linux: {
            resources: {},
            securityContext: {
              privileged: false,
              namespaceOptions: sandbox.linux.securityContext.namespaceOptions,
              readonlyRootfs: false,
              noNewPrivs: false,
            },
          },
        },
        sandbox,
      )
      await this.#cri.startContainer(id)
      containers.push({ id, metadata: { name, attempt: 0 }, state: 'CONTAINER_RUNNING' })
    }
    return { sandboxes: [{ id: sandboxId }], containers }
  }

  async #createPodObject(): Promise<void> {
    const containers = ['c', 'echo'].map(name => ({ name, image, stdin: name === 'echo' }))
    const pods = '/api/v1/namespaces/default/pods'
    const spec = { nodeName: 'node-1', containers }
    const created = await this.#api.request('POST', pods, { metadata: { name: 'p' }, spec })
    if (created.status !== 201) throw new Error(created.text)
    const merge = { 'content-type': 'application/merge-patch+json' }
    const changed = await this.#api.request('PATCH', `${pods}/p/status`, { status: { phase: 'Running' } }, merge)
    if (changed.status !== 200) throw new Error(changed.text)
  }
}

function busyboxArchive(): Promise<Buffer> {
  return ociArchive({
    name: image,
    files: [
      { path: 'bin', type: 'directory' },
      { path: 'bin/busybox', content: readFileSync('/bin/busybox'), mode: 0o755 },
      ...applets.map(name => ({ path: `bin/${name}`, type: 'symlink' as const, target: 'busybox' })),
      { path: 'tmp', type: 'directory', mode: 0o1777 },
    ],
  })
}

function kubeconfigOf(port: number, ca: string): object {
  const cluster = {
    server: `https://127.0.0.1:${port}`,
    'certificate-authority-data': Buffer.from(ca).toString('base64'),
  }
  return {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'admin' } }],
    users: [{ name: 'admin', user: { token: 'any' } }],
    'current-context': 'test',
  }
}
