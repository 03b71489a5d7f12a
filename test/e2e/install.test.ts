/** install.sh on machines that have nothing but the release file: a server, an agent, and both without a trace again. */

import type { ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { sourceVersion } from '../../bootstrap/version.ts'
import { Bed } from '../testbed/bed.ts'
import { Cluster, canRunClusters } from '../testbed/cluster.ts'
import { writeImages } from '../testbed/images.ts'
import { Network } from '../testbed/network.ts'
import { podOn, webContainers } from '../testbed/pods.ts'
import { releaseFile } from '../testbed/release.ts'
import { readUnit } from '../testbed/unit.ts'

jest.setTimeout(600_000)
const installer = join(import.meta.dirname, '../../install.sh')

if (!canRunClusters) console.warn('skipped: needs root and containerd')
const describeInBed = canRunClusters ? describe : describe.skip

/** A machine with a folder for programs of its own, and a stand-in for systemd. */
class Machine {
  readonly bed: Bed
  /** kubectl and the like; it starts nothing. */
  readonly cluster: Cluster
  #service: ChildProcess | undefined
  #log = ''

  constructor(bed: Bed, api?: Cluster) {
    this.bed = bed
    this.cluster = new Cluster(bed, api ? { agentOf: api } : {})
    mkdirSync(this.bin())
    copyFileSync(installer, join(bed.dir, 'install.sh')) // in a source tree it would take dist/skiff
  }

  bin(name = ''): string {
    return join(this.bed.dir, 'bin', name)
  }

  install(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    const places = { INSTALL_K3S_BIN_DIR: this.bin(), INSTALL_K3S_SYMLINK: 'force' }
    return this.bed.run(['sh', join(this.bed.dir, 'install.sh'), ...args], {
      env: { ...places, ...env },
      timeoutMs: 300_000,
    })
  }

  async sh(command: string): Promise<string> {
    return (await this.bed.run(['sh', '-c', command], { timeoutMs: 300_000 })).stdout
  }

  unit(name: string) {
    return readUnit(this.#etc(`systemd/system/${name}.service`), path =>
      readFileSync(this.#etc(path.replace(/^\/etc\//, '')), 'utf8'),
    )
  }

  etcFile(path: string): string {
    return this.#etc(path)
  }

  /** Files of the machine in /etc lie in its layer. */
  #etc(path: string): string {
    return path.startsWith(this.bed.dir) ? path : join(this.bed.dir, 'layers/etc', path)
  }

  start(name: string): void {
    const { command, env } = this.unit(name)
    this.#service = this.bed.spawn(command, { env, stdio: ['ignore', 'ignore', 'pipe'] })
    this.#service.stderr!.on('data', data => (this.#log += data))
  }

  async ready(seconds = 300): Promise<void> {
    await this.cluster.eventually(
      async () => expect(existsSync(join(this.bed.dir, 'rancher/k3s/k3s.yaml'))).toBe(true),
      seconds,
    )
    await this.cluster.eventually(
      () => this.cluster.waitFor(`--for=condition=Ready node/${this.bed.hostname}`, 60),
      seconds,
    )
  }

  log(): string {
    return this.#log
  }

  /** What an installation could leave: files, processes, mounts, network. */
  async traces(): Promise<string[]> {
    const looks = [
      'find /etc /var/lib /var/log /run -xdev ! -type d 2>/dev/null',
      'find /var/lib/rancher /var/lib/kubelet /var/lib/cni /etc/rancher /run/k3s /run/flannel -mindepth 1 2>/dev/null',
      `ls ${this.bin()}`,
      'ps -e -o comm=',
      'awk \'{print "mount " $2}\' /proc/self/mounts',
      'ip -o link | cut -d: -f2',
      'nft list ruleset',
      'iptables-save | grep -v -e "^#" -e "^:"',
      'find /sys/fs/cgroup -name "*kubepods*"',
    ]
    const lines: string[] = []
    // One after the other: a look at the processes is not to see the others.
    for (const look of looks) lines.push(...(await this.sh(look)).split('\n'))
    return lines.filter(line => !['', 'ps', 'sh'].includes(line.trim())).sort()
  }
}

/** What K3s leaves as well: the node's identity, for coming back under its name. And what programs of the machine write. */
const mayStay = /^\/etc\/rancher\/node|^\/(var\/log|run)\/(?!k3s|flannel|skiff)|^\/etc\/(ld\.so|mtab|\.updated)/

describeInBed('install.sh', () => {
  let network: Network
  let server: Machine
  let agent: Machine
  let before: string[]

  beforeAll(async () => {
    network = await Network.create()
    server = new Machine(await Bed.create({ network: { network, host: 11 }, hostname: 'server-1' }))
    agent = new Machine(await Bed.create({ network: { network, host: 12 }, hostname: 'agent-1' }), server.cluster)
    before = await server.traces()
  })
  afterAll(async () => {
    await Promise.all([server?.bed.destroy(), agent?.bed.destroy()])
    await network?.destroy()
  })

  test('says in one line what is missing before it changes anything', async () => {
    expect(await server.install([])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^\[ERROR\] .*no download server.*INSTALL_K3S_ARTIFACT_URL.*\n$/),
    })
    expect(await server.install([], { INSTALL_K3S_SKIP_DOWNLOAD: 'true' })).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('the file is not there: put it at'),
    })
    expect(await server.install([], { K3S_URL: 'https://x:6443' })).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('K3S_TOKEN'),
    })
    expect(await server.install([], { K3S_URL: 'http://x:6443', K3S_TOKEN: 't' })).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('must begin with https://'),
    })
    const folder = join(server.bed.dir, 'tools')
    const names = ['sh', 'id', 'sed', 'awk', 'grep']
    await server.sh(`chmod 711 ${server.bed.dir} && mkdir ${folder}
      for name in ${names.join(' ')}; do ln -s $(command -v $name) ${folder}/; done`)
    const asNobody = ['setpriv', '--reuid=65534', '--clear-groups', join(folder, 'sh')]
    const { stderr } = await server.bed.run([...asNobody, '-c', `PATH=${folder} sh ${server.bed.dir}/install.sh`])
    expect(stderr).toBe('[ERROR]  this needs root, and there is no sudo: run it as root\n')
    expect(await server.traces()).toEqual(before)
  })

  test('from a source tree takes the file that has been built, if it is the version that is wanted', async () => {
    const tree = mkdir(join(server.bed.dir, 'tree'))
    copyFileSync(installer, join(tree, 'install.sh'))
    copyFileSync(await releaseFile(), join(mkdir(join(tree, 'dist')), 'skiff'))
    const wanted = { INSTALL_K3S_BIN_DIR: server.bin(), INSTALL_K3S_VERSION: 'v1.28.5+k3s1' }
    expect(await server.bed.run(['sh', join(tree, 'install.sh')], { env: wanted })).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(`dist/skiff is ${sourceVersion.replace('+', '.')}, not v1.28.5.k3s1: `),
    })
    expect(await server.traces()).toEqual(before)
    const full = mkdir(join(server.bed.dir, 'full'))
    await server.sh(`mount -t tmpfs -o size=10m tmpfs ${full}`)
    const intoFull = { INSTALL_K3S_BIN_DIR: join(full, 'bin') }
    expect(await server.bed.run(['sh', join(tree, 'install.sh')], { env: intoFull })).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /No space left.*\n\[ERROR\] {2}cannot write .*\/full\/bin\/k3s: make room there, or/,
      ),
    })
    expect((await server.sh(`ls -A ${full}/bin; umount ${full}`)).trim()).toBe('')
  })

  test('installs a server from a place for releases, checked by its checksum', async () => {
    const releases = join(server.bed.dir, 'releases')
    const folder = join(releases, sourceVersion)
    mkdirSync(folder, { recursive: true })
    copyFileSync(await releaseFile(), join(folder, 'k3s'))
    const name = process.arch === 'arm64' ? 'k3s-arm64' : 'k3s'
    const sums = join(folder, `sha256sum-${process.arch === 'arm64' ? 'arm64' : 'amd64'}.txt`)
    const env = {
      INSTALL_K3S_ARTIFACT_URL: `file://${releases}`,
      INSTALL_K3S_VERSION: sourceVersion,
      INSTALL_K3S_EXEC:
        'server --disable=traefik --node-label zone=a --kubelet-arg "eviction-hard=nodefs.available<5%" --kubelet-arg "x=it\'s \\ $a"',
      K3S_TOKEN: "it's $ecret",
      K3S_KUBECONFIG_MODE: '640',
    }
    writeFileSync(sums, `${'0'.repeat(64)}  ${name}\n`)
    expect(await server.install([], env)).toMatchObject({ code: 1, stderr: expect.stringContaining('is damaged') })
    expect(existsSync(server.bin('k3s'))).toBe(false)

    const sum = createHash('sha256')
      .update(readFileSync(join(folder, 'k3s')))
      .digest('hex')
    writeFileSync(sums, `${sum}  ${name}\n`)
    expect(await server.install(['--node-label=b=c'], env)).toMatchObject({ code: 0, stderr: '' })

    const { command, env: variables } = server.unit('k3s')
    expect(command).toEqual([
      server.bin('k3s'),
      'server',
      '--disable=traefik',
      '--node-label',
      'zone=a',
      '--kubelet-arg',
      'eviction-hard=nodefs.available<5%',
      '--kubelet-arg',
      "x=it's \\ $a",
      '--node-label=b=c',
    ])
    expect(variables).toEqual({ K3S_TOKEN: "it's $ecret", K3S_KUBECONFIG_MODE: '640' })
    expect(statSync(server.etcFile('systemd/system/k3s.service.env')).mode & 0o777).toBe(0o600)
    expect(
      (await server.sh(`cd ${server.bin()} && find . -type l -printf '%f %l\\n' | sort`)).trim().split('\n'),
    ).toEqual([
      'crictl k3s',
      'ctr k3s',
      'kubectl k3s',
      'skiff k3s',
      'skiff-killall.sh k3s-killall.sh',
      'skiff-uninstall.sh k3s-uninstall.sh',
    ])
    const verified = await server.bed.run(['systemd-analyze', 'verify', '/etc/systemd/system/k3s.service'])
    expect(verified.stderr).not.toContain('k3s.service')
  })

  test('the service makes a cluster that runs a pod; an agent joins it', async () => {
    await writeImages(mkdir(join(server.bed.dir, 'state/k3s/agent/images')))
    server.start('k3s')
    await server.ready()
    await server.cluster.apply(podOn('server-1', 'web', webContainers))
    await server.cluster.waitFor('--for=condition=Ready pod/web', 300)

    copyFileSync(await releaseFile(), agent.bin('k3s'))
    const token = readFileSync(join(server.bed.dir, 'state/k3s/server/node-token'), 'utf8').trim()
    const env = { INSTALL_K3S_SKIP_DOWNLOAD: 'true', K3S_URL: 'https://198.51.100.11:6443', K3S_TOKEN: token }
    expect(await agent.install(['--node-label', 'role=worker'], env)).toMatchObject({ code: 0 })
    expect(agent.unit('k3s-agent').command).toEqual([agent.bin('k3s'), 'agent', '--node-label', 'role=worker'])
    agent.start('k3s-agent')
    await server.cluster.waitFor('--for=condition=Ready node/agent-1', 300)
    await server.cluster.waitFor('--for=jsonpath={.metadata.labels.role}=worker node/agent-1', 300)
  })

  test('installing again restarts the service only if it does not run from the file as it is now', async () => {
    const calls = join(server.bed.dir, 'systemctl')
    const again = async () => {
      writeFileSync(calls, '')
      const env = { INSTALL_K3S_SKIP_DOWNLOAD: 'true', PATH: `${server.bin()}:${process.env.PATH}` }
      const { code, stdout } = await server.install([], env)
      expect(code).toBe(0)
      const restarts = readFileSync(calls, 'utf8').includes('restart k3s\n')
      expect(stdout.includes('Nothing has changed: the service is not restarted')).toBe(!restarts)
      return restarts
    }
    writeFileSync(server.bin('systemctl'), `#!/bin/sh\necho "$*" >>${calls}\n`, { mode: 0o755 })
    await server.sh('mkdir -p /run/systemd/system')
    try {
      expect(await again()).toBe(true) // other flags than before
      expect(await again()).toBe(false)
      // As the guides upgrade machines without a network: first the file, then the script.
      renameSync(server.bin('k3s'), server.bin('kept'))
      copyFileSync(await releaseFile('v1.36.9+skiff1'), server.bin('k3s'))
      expect(await again()).toBe(true)
      renameSync(server.bin('kept'), server.bin('k3s'))
      expect(await again()).toBe(false)
    } finally {
      rmSync(server.bin('systemctl'))
      await server.sh('rmdir /run/systemd/system')
    }
  })

  test('k3s-killall.sh ends all that runs and keeps the data', async () => {
    await server.sh(server.bin('k3s-killall.sh'))
    expect(await server.sh('ps -e -o comm= | grep -e containerd -e node -e k3s-server -e pause -e httpd')).toBe('')
    expect(
      await server.sh(
        'ip -o link show cni0 2>/dev/null; nft list tables; grep -e /run/k3s -e kubelet/ /proc/self/mounts',
      ),
    ).toBe('')
    expect(existsSync(join(server.bed.dir, 'state/k3s/server/db/state.db'))).toBe(true)
    // As after a restart of the machine.
    server.start('k3s')
    await server.cluster.eventually(async () => {
      const address = await server.cluster.kubectl('get pod web -o jsonpath={.status.podIP}')
      expect(await server.cluster.exec(['curl', '-sf', '-m5', `http://${address}`])).not.toBe('')
    }, 300)
  })

  test('uninstalling leaves nothing behind', async () => {
    expect(await server.bed.run([server.bin('k3s-uninstall.sh')], { timeoutMs: 300_000 })).toMatchObject({ code: 0 })
    const left = (await server.traces()).filter(trace => !before.includes(trace) && !mayStay.test(trace))
    expect(left).toEqual([])
    expect(await agent.bed.run([agent.bin('k3s-agent-uninstall.sh')], { timeoutMs: 300_000 })).toMatchObject({
      code: 0,
    })
    expect(
      await agent.sh(
        `ls ${agent.bin()}; ls -d /var/lib/rancher/k3s /run/k3s; ps -e -o args= | grep -e [c]ontainerd -e '[k]3s agent'`,
      ),
    ).toBe('')
  })
})

function mkdir(path: string): string {
  mkdirSync(path, { recursive: true })
  return path
}
