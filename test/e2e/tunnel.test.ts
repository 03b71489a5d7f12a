/** Pods of an agent whose kubelet port and pod network no server can reach: everything goes through the agent's tunnel. */
import type { ChildProcess } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type Cluster, canRunClusters } from '../testbed/cluster.ts'
import { busyboxImage, webImage } from '../testbed/images.ts'
import { Links } from '../testbed/links.ts'
import { type Nodes, startNodes } from '../testbed/nodes.ts'

const suite = canRunClusters ? describe : describe.skip
if (!canRunClusters) console.log('tunnel e2e: skipped, needs root and containerd')

const manifest = `
apiVersion: v1
kind: Pod
metadata: { name: talker, labels: { app: talker } }
spec:
  nodeName: agent-1
  terminationGracePeriodSeconds: 0
  containers:
    - name: main
      image: ${busyboxImage}
      stdin: true
      command: [sh, -c, 'echo one; while read -r line; do echo "got $line"; done']
    - { name: web, image: '${webImage}', ports: [{ containerPort: 80 }] }
    - { name: loud, image: '${busyboxImage}', command: [sh, -c, 'sleep 5; yes 0123456789012345678901234567890123456789'] }
---
apiVersion: v1
kind: Service
metadata: { name: talker }
spec: { selector: { app: talker }, ports: [{ port: 8080, targetPort: 80 }] }
`

const blocked = `
table inet closed {
  chain input {
    type filter hook input priority -10
    iifname "lo" accept
    tcp dport 10250 counter drop
    udp dport 8472 drop
  }
}`

function until(child: ChildProcess, wanted: RegExp): Promise<string> {
  let text = ''
  for (const stream of [child.stdout!, child.stderr!]) stream.on('data', data => (text += data))
  return new Promise((resolve, reject) => {
    const look = () => wanted.test(text) && resolve(text)
    for (const stream of [child.stdout!, child.stderr!]) stream.on('data', look)
    child.once('close', code => reject(new Error(`ended with ${code} before ${wanted}: ${text}`)))
  })
}

suite('a node that only its tunnel reaches', () => {
  let nodes: Nodes
  let server: Cluster
  let agent: Cluster
  const start = (args: string) => server.spawnKubectl(args, {}, { stdio: 'pipe' })

  beforeAll(async () => {
    nodes = await startNodes({ servers: 1, agents: 1, flags: ['--egress-selector-mode', 'pod'] })
    server = nodes.first
    agent = nodes.agents[0]!
    await agent.exec(['nft', '-f', '-'], { input: blocked })
    await server.apply(manifest)
    await server.waitFor('--for=condition=Ready pod/talker')
  }, 120_000)
  afterAll(() => nodes?.destroy(), 60_000)

  test('logs, attach, exec, cp', async () => {
    await server.eventually(async () => expect(await server.kubectl('logs talker -c main')).toBe('one\n'))
    const attach = start('attach -i talker -c main')
    attach.stdin!.write('hello\n')
    await until(attach, /got hello\n/)
    attach.kill()
    const big = 'x'.repeat(3_000_000)
    expect(await server.kubectl('exec -i talker -c web -- wc -c', { input: big })).toBe(`${big.length}\n`)
    expect((await server.kubectl('exec -i talker -c web -- cat', { input: big })).length).toBe(big.length)
    const [file, back] = ['file', 'back'].map(name => join(server.bed.dir, name)) as [string, string]
    writeFileSync(file, Buffer.alloc(1_500_000, 'abcdefg\n'))
    await server.kubectl(`cp ${file} talker:/tmp/file -c web`)
    await server.kubectl(`cp talker:/tmp/file ${back} -c web`)
    expect(readFileSync(back).equals(readFileSync(file))).toBe(true)
  }, 60_000)

  test('port-forward, the proxies of pod, service and node, metrics', async () => {
    const forward = start('port-forward pod/talker 18080:80')
    await until(forward, /Forwarding from 127\.0\.0\.1:18080 -> 80\n/)
    const get = 'exec 3<>/dev/tcp/127.0.0.1/18080; printf "GET / HTTP/1.0\\r\\n\\r\\n" >&3; cat <&3'
    const answers = await Promise.all(Array.from({ length: 8 }, () => server.exec(['bash', '-c', get])))
    for (const answer of answers) expect(answer).toMatch(/200 OK[\s\S]*web\n$/)
    forward.kill()
    const proxied = '/api/v1/namespaces/default'
    expect(await server.kubectl(`get --raw ${proxied}/pods/talker:80/proxy/`)).toBe('web\n')
    expect(await server.kubectl(`get --raw ${proxied}/services/talker:8080/proxy/`)).toBe('web\n')
    const summary = JSON.parse(await server.kubectl('get --raw /api/v1/nodes/agent-1/proxy/stats/summary'))
    expect(summary.node.nodeName).toBe('agent-1')
    expect(await server.kubectl('get --raw /metrics')).toContain('skiff_tunnel_sessions{node="agent-1"} 1')
  }, 60_000)

  test('an aggregated API whose pod is there, and kubectl top, which asks it', async () => {
    const spec = { nodeSelector: { 'kubernetes.io/hostname': 'agent-1' } }
    const patch = JSON.stringify({ spec: { template: { spec } } })
    await server.kubectl(['patch', 'deployment/metrics-server', '-n', 'kube-system', '-p', patch])
    await server.kubectl('rollout status deployment/metrics-server -n kube-system')
    // The one it replaces takes its time to go.
    await server.eventually(async () => {
      const hosts = 'get pods -n kube-system -l k8s-app=metrics-server -o jsonpath={.items[*].spec.nodeName}'
      expect(await server.kubectl(hosts)).toBe('agent-1')
    })
    await server.eventually(async () => expect(await server.kubectl('top node agent-1')).toMatch(/agent-1 +\d+m/), 60)
  }, 120_000)

  test('a log that nobody reads costs server and agent nothing', async () => {
    const rss = async (cluster: Cluster) =>
      Number(/VmRSS:\s+(\d+)/.exec(await cluster.exec(['cat', `/proc/${cluster.pid}/status`]))![1]) / 1024
    await server.eventually(async () =>
      expect((await server.kubectl('logs talker -c loud --tail=2')).length).toBeGreaterThan(40),
    )
    const before = [await rss(server), await rss(agent)]
    const follows = Array.from({ length: 5 }, () => start('logs -f talker -c loud'))
    for (const follow of follows) {
      await until(follow, /0123/)
      // Stopped, as by Ctrl-Z or a full pipe: it reads no more.
      follow.stdout!.pause()
      process.kill(follow.pid!, 'SIGSTOP')
    }
    await delay(6000)
    const after = [await rss(server), await rss(agent)]
    expect(await server.kubectl('exec talker -c web -- echo here')).toBe('here\n')
    for (const follow of follows) follow.kill('SIGKILL')
    for (const [index, megabytes] of after.entries()) expect(megabytes - before[index]!).toBeLessThan(80)
  }, 60_000)

  test('a cable that is pulled and put back', async () => {
    const links = new Links(nodes.network)
    await links.cut(server.bed, agent.bed)
    await server.eventually(async () => {
      const { stderr } = await server.tryKubectl('logs talker -c main')
      expect(stderr).toMatch(
        /^Error from server: Get "https:\/\/198\.51\.100\.12:10250\/.*": proxy error from 127\.0\.0\.1:6443 while dialing 198\.51\.100\.12:10250, code 502: 502 Bad Gateway\n$/,
      )
    })
    await links.heal()
    await server.eventually(async () => expect(await server.kubectl('logs talker -c main')).toContain('one\n'))
  }, 90_000)

  test('a server that is restarted is connected again at once', async () => {
    await server.stopServer()
    await server.restart()
    await server.eventually(async () => expect(await server.kubectl('logs talker -c main')).toContain('one\n'), 5)
  }, 60_000)
})
