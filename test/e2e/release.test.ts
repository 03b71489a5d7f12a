/** One file is the whole product: it unpacks itself, once, and is a cluster, also under other names. */
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { Bed, type Output } from '../testbed/bed.ts'
import { type Cluster, canRunClusters, startCluster } from '../testbed/cluster.ts'
import { podOn, webContainers } from '../testbed/pods.ts'
import { buildReleaseFile, releaseFile } from '../testbed/release.ts'

jest.setTimeout(600_000)
const version = 'v1.36.3+skiff2'
const isRelease = /^[0-9a-f]{64}$/

if (!canRunClusters) console.warn('skipped: needs root and containerd')
const describeInBed = canRunClusters ? describe : describe.skip

describeInBed('a release file', () => {
  let built: string
  let bed: Bed
  let file: string

  beforeAll(async () => {
    built = await releaseFile(version)
    bed = await Bed.create()
    file = join(bed.dir, 'bin/k3s')
    mkdirSync(dirname(file))
    copyFileSync(built, file)
    for (const name of ['skiff', 'kubectl', 'crictl', 'ctr']) symlinkSync('k3s', join(dirname(file), name))
  })
  afterAll(() => bed?.destroy())

  /** What is in data/ of K3s' own data-dir on that machine. */
  const unpacked = () => readdirSync(join(bed.dir, 'state/k3s/data')).sort()
  const run = (command: string, env: NodeJS.ProcessEnv = {}) =>
    bed.run(['sh', '-c', command], { env, timeoutMs: 300_000 })

  test('is the same bytes when it is built again', async () => {
    const again = join(bed.dir, 'again/k3s')
    await buildReleaseFile(version, again)
    expect(readFileSync(again).equals(readFileSync(built))).toBe(true)
  })

  test('unpacks itself whole when two first starts come at once, and tells its version as K3s does', async () => {
    const starts = await Promise.all([run(`${file} --version`), run(`${dirname(file)}/skiff --version`)])
    for (const [index, name] of ['k3s', 'skiff'].entries()) {
      const text = `^${name} version ${version.replace('+', '\\+')} \\([0-9a-f]{8}(-dirty)?\\)\nnode version v24[.0-9]+\n$`
      expect(starts[index]).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(new RegExp(text)) })
    }
    const [hash, ...more] = unpacked().filter(name => isRelease.test(name))
    expect([more, unpacked().filter(name => name !== hash)]).toEqual([[], ['.lock', 'current']])
    expect(readlinkSync(join(bed.dir, 'state/k3s/data/current'))).toBe(`/var/lib/rancher/k3s/data/${hash}`)
  })

  describe('as a cluster', () => {
    let cluster: Cluster
    beforeAll(async () => {
      cluster = await startCluster({ bed, program: file })
    })

    test('runs a pod on a node of its version', async () => {
      await cluster.apply(podOn(cluster.nodeName, 'web', webContainers))
      await cluster.waitFor('--for=condition=Ready pod/web', 300)
      const kubelet = await cluster.kubectl('get nodes -o jsonpath={.items[*].status.nodeInfo.kubeletVersion}')
      expect(kubelet).toBe(version)
      const known = JSON.parse(await cluster.kubectl('get --raw /version')) as { [key: string]: string }
      expect(known).toMatchObject({ gitVersion: version, major: '1', minor: '36' })
      expect(readFileSync(file, 'latin1').slice(0, 400)).toContain(` built=${known.buildDate} `)
    })

    test('is one process, which shows as the file that is to be replaced in an upgrade', async () => {
      expect(cluster.pid).toMatch(/^\d+$/)
      const look = await run(
        `tr '\\0' ' ' </proc/${cluster.pid}/cmdline; cat /proc/${cluster.pid}/comm; readlink /proc/${cluster.pid}/exe`,
      )
      const [hash] = unpacked().filter(name => isRelease.test(name))
      expect(look.stdout.replace(/ +/g, ' ')).toBe(
        `${file} server k3s-server\n/var/lib/rancher/k3s/data/${hash}/bin/node\n`,
      )
    })

    test.each([
      ['kubectl', 'kubectl get nodes -o name', () => `node/${cluster.nodeName}\n`],
      ['ctr', 'ctr --version', () => expect.stringMatching(/^ctr /)],
      ['k3s', 'k3s kubectl get pods -o name', () => 'pod/web\n'],
    ])('is %s when called so', async (_, command, stdout) => {
      // The machine's own programs come after its links, as /usr/local/bin comes before /usr/bin.
      const PATH = `${dirname(file)}:${process.env.PATH}`
      expect(await run(command, { PATH })).toMatchObject({ code: 0, stdout: stdout() })
    })

    test('ends when it is asked to, and leaves the pod running', async () => {
      await cluster.stopServer()
      expect((await run('pgrep -fc containerd-shim')).stdout.trim()).not.toBe('0')
    })
  })

  test('makes way for a newer version: links follow, the older stays for going back', async () => {
    const [before] = unpacked().filter(name => isRelease.test(name))
    copyFileSync(await releaseFile(), file)
    expect((await run(`${file} --version`)).stdout).not.toContain(version)
    expect(readlinkSync(join(bed.dir, 'state/k3s/data/previous'))).toBe(`/var/lib/rancher/k3s/data/${before}`)
    expect(unpacked().filter(name => isRelease.test(name))).toHaveLength(2)
  })

  describe('that cannot unpack says why in one line and leaves nothing', () => {
    let small: string
    beforeAll(async () => {
      small = join(bed.dir, 'small')
      mkdirSync(small)
      await run(`mount -t tmpfs -o size=20m tmpfs ${small} && mount -t tmpfs -o ro tmpfs /mnt`)
      chmodSync(bed.dir, 0o711) // others may read the file
      // Where nothing is unpacked yet.
      await run('rm -rf /var/lib/rancher/k3s/data')
    })

    const changed = (name: string, change: (path: string) => void) => {
      const path = join(bed.dir, name)
      copyFileSync(built, path)
      change(path)
      return path
    }
    const cases: [what: string, command: () => string, message: () => string | RegExp][] = [
      [
        'a full disk',
        () => `${file} --version --data-dir ${small}/k3s`,
        () => /small\/k3s\/data: the disk is full: 1\d\d MB are needed; make room, or/,
      ],
      [
        'a read-only file system',
        () => `K3S_DATA_DIR=/mnt/k3s ${file} --version`,
        () => /\/mnt\/k3s\/data: the file system is read-only: make it writable, or/,
      ],
      [
        'no rights',
        () => `setpriv --reuid 65534 --clear-groups env HOME=/root ${file} --version`,
        () => /permission denied: run it as root/,
      ],
      [
        'no home',
        () => `setpriv --reuid 65534 --clear-groups env -u HOME ${file} --version`,
        () => /no folder to unpack into: set HOME, K3S_DATA_DIR or --data-dir/,
      ],
      [
        'half a file',
        () => changed('half', path => truncateSync(path, 20_000_000)),
        () => /the file is damaged: get it again/,
      ],
      ['a flipped bit', () => changed('flipped', flip), () => /the file is damaged: get it again/],
      [
        'another processor',
        () => changed('foreign', path => replaceArch(path)),
        () => /is built for \w+, this machine is \w+: get the file for/,
      ],
    ]
    test.each(cases)('%s', async (_, command, message) => {
      const { code, stdout, stderr }: Output = await run(`${command()} 2>&1 >/dev/null; echo $? >&2`)
      expect([code, stderr.trim()]).toEqual([0, '1'])
      expect(stdout.trim().split('\n')).toEqual([expect.stringMatching(message())])
      const left = await run(
        `find ${small} /var/lib/rancher/k3s/data -mindepth 2 ! -name .lock ! -path '*/data' 2>/dev/null`,
      )
      expect(left.stdout).toBe('')
    })
  })
})

/** A byte in the middle of the compressed program. */
function flip(path: string): void {
  const content = readFileSync(path)
  content[20_000_000]! ^= 1
  writeFileSync(path, content)
}

/** Same lengths, so that the rest stays in its place. */
function replaceArch(path: string): void {
  const content = readFileSync(path)
  const own = process.arch === 'arm64' ? 'arm64' : 'amd64'
  const at = content.indexOf(`[ $here = ${own} ]`)
  content.write(own === 'arm64' ? 'amd64' : 'arm64', at + '[ $here = '.length)
  writeFileSync(path, content)
}
