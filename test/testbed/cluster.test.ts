/** The test bed itself: clusters stand apart from each other and from this machine, and leave nothing behind. */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { describe, expect, test } from '@jest/globals'
import { type Cluster, canRunClusters, nodeAddress, outsideAddress, startCluster, tracesOf } from './cluster.ts'
import { busyboxImage } from './images.ts'

/** What a cluster might leave on this machine. */
const leavings = () => ({
  interfaces: execFileSync('ip', ['-o', 'link'], { encoding: 'utf8' }).match(/^\d+: [^:@]+/gm),
  namespaces: execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' }),
  bedMounts: readFileSync('/proc/self/mountinfo', 'utf8').includes('skiff-bed-'),
  folders: readdirSync(tmpdir()).filter(name => name.startsWith(`skiff-bed-${process.pid}-`)),
})

const pod = `
apiVersion: v1
kind: Pod
metadata: { name: sleeper }
spec:
  containers:
    - name: sleeper
      image: ${busyboxImage}
      command: [sleep, infinity]
      volumeMounts: [{ name: memory, mountPath: /memory }]
  volumes: [{ name: memory, emptyDir: { medium: Memory } }]
`

const suite = canRunClusters ? describe : describe.skip
if (!canRunClusters) console.log('test bed: skipped, needs root and containerd')

suite('test bed', () => {
  test('two clusters side by side; destroy leaves nothing', async () => {
    const before = leavings()
    const clusters: Cluster[] = []
    try {
      for (let n = 0; n < 2; n++) clusters.push(await startCluster())
      const [first, second] = clusters as [Cluster, Cluster]
      await first.apply(pod)
      await first.waitFor('--for=condition=Ready pod/sleeper')
      expect(await second.kubectl('get pods')).toBe('')
      expect(tracesOf(first.nodeName).filter(trace => trace.startsWith('process')).length).toBeGreaterThan(4)
      expect(await first.exec(['hostname'])).toBe(`${first.nodeName}\n`)
      await first.fromOutside(['bash', '-c', `exec 3<>/dev/tcp/${nodeAddress}/6443`])
      expect(await first.exec(['ip', 'route', 'get', '192.0.2.1'])).toContain(`via ${outsideAddress}`)
    } finally {
      for (const cluster of clusters) await cluster.destroy()
    }
    for (const cluster of clusters) expect(tracesOf(cluster.nodeName)).toEqual([])
    expect(leavings()).toEqual(before)
  }, 120_000)
})
