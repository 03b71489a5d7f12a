/** logs, exec, attach, port-forward and cp through kubectls old and new. */
import { type ChildProcess, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type Cluster, canRunClusters, startCluster } from '../testbed/cluster.ts'
import { busyboxImage, webImage } from '../testbed/images.ts'
import { debianPackage, kubectls } from '../testbed/tools.ts'

const suite = canRunClusters ? describe : describe.skip
if (!canRunClusters) console.log('streams e2e: skipped, needs root and containerd')

const script =
  'echo one; sleep 0.3; echo two >&2; sleep 1.1; echo three; while read -r line && [ $line != quit ]; do echo "got $line"; done; echo end; exit 4'
const manifest = `
apiVersion: v1
kind: Pod
metadata: { name: talker, labels: { app: talker } }
spec:
  terminationGracePeriodSeconds: 0
  containers:
    - name: main
      image: ${busyboxImage}
      stdin: true
      command: [sh, -c, '${script}']
    - { name: web, image: '${webImage}' }
---
apiVersion: v1
kind: Service
metadata: { name: talker }
spec: { selector: { app: talker }, ports: [{ port: 8080, targetPort: 80 }] }
`

/** Resolves with what a process has written to standard output once that matches. */
function until(child: ChildProcess, wanted: RegExp): Promise<string> {
  let text = ''
  let errors = ''
  child.stderr!.on('data', data => (errors += data))
  return new Promise((resolve, reject) => {
    child.stdout!.on('data', data => {
      text += data
      if (wanted.test(text)) resolve(text)
    })
    child.once('close', code => reject(new Error(`ended with ${code} before ${wanted}: ${text}${errors}`)))
  })
}

/** The oldest and the newest kubectl at hand, and the newest release. */
const all = [...kubectls()]
const newest = canRunClusters ? debianPackage('sid', 'kubectl') : undefined
const clients: readonly (readonly [name: string, program: string])[] = [
  ...[all[0], all.at(-1)].filter(client => client !== undefined),
  ...(newest === undefined ? [] : [['of the newest release', join(newest, 'usr/bin/kubectl')] as const]),
]

suite.each(clients)('kubectl %s', (_, kubectl) => {
  let cluster: Cluster
  const run = (args: string | readonly string[], input = '') => cluster.kubectl(args, { kubectl, input })
  const start = (args: string) => cluster.spawnKubectl(args, { kubectl }, { stdio: 'pipe' })

  beforeAll(async () => {
    cluster = await startCluster()
    await cluster.apply(manifest)
    await cluster.waitFor('--for=condition=Ready pod/talker')
  }, 60_000)
  afterAll(() => cluster?.destroy(), 30_000)

  test('logs: all, the last lines, with times, since a time, followed to the end, of the container before', async () => {
    await cluster.eventually(async () => expect(await run('logs talker -c main')).toBe('one\ntwo\nthree\n'))
    expect(await run('logs talker -c main --tail=1')).toBe('three\n')
    expect(await run('logs deployment/none -c main').catch(error => error.message)).toMatch(/not found/)
    const stamped = (await run('logs talker -c main --timestamps')).trim().split('\n')
    expect(stamped.map(line => line.replace(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}(Z|\+00:00) /, ''))).toEqual([
      'one',
      'two',
      'three',
    ])
    const third = new Date(stamped[2]!.split(' ')[0]!)
    const since = new Date(Math.floor(third.getTime() / 1000) * 1000).toISOString()
    expect(await run(`logs talker -c main --since-time=${since}`)).toBe('three\n')
    expect(await run('logs talker -c main --since=1h')).toBe('one\ntwo\nthree\n')
    expect(await run('logs talker --all-containers --prefix')).toContain('[pod/talker/main] three')
    expect(await run('logs talker -c main --limit-bytes=5')).toBe('one\nt')

    const follow = start('logs -f talker -c main')
    const attach = start('attach -i talker -c main')
    attach.stdin!.write('hello\n')
    await until(attach, /got hello\n/)
    await until(follow, /three\ngot hello\n/)
    attach.kill()
    follow.kill()
  }, 60_000)

  test('exec: output, errors, input, exit code, a terminal', async () => {
    const result = await cluster.tryKubectl(
      ['exec', 'talker', '-c', 'web', '--', 'sh', '-c', 'echo out; echo err >&2; exit 3'],
      {
        kubectl,
      },
    )
    expect(result).toMatchObject({ code: 3, stdout: 'out\n' })
    expect(result.stderr).toMatch(/^err\ncommand terminated with exit code 3\n$/)
    const big = 'x'.repeat(3_000_000)
    expect((await run('exec -i talker -c web -- cat', big)).length).toBe(big.length)
    expect(await run('exec -i talker -c web -- wc -c', big)).toBe(`${big.length}\n`)
    const tty = [
      'script',
      '-qec',
      `${cluster.kubectlCommand('exec -it talker -c web -- sh -c tty', { kubectl }).join(' ')}`,
    ]
    const env = { KUBECONFIG: '/etc/rancher/k3s/k3s.yaml' }
    expect(await cluster.exec([...tty, '/dev/null'], { env })).toMatch(/\/dev\/pts\/\d/)
    const missing = await cluster.tryKubectl('exec talker -c web -- /no/such', { kubectl })
    expect(missing.code).not.toBe(0)
    expect(missing.stderr).toMatch(/no such file or directory/)
  }, 60_000)

  test('cp: there and back', async () => {
    const [file, back] = ['file', 'back'].map(name => join(cluster.bed.dir, name)) as [string, string]
    const content = Buffer.alloc(1_500_000, 'abcdefg\n')
    writeFileSync(file, content)
    await run(`cp ${file} talker:/tmp/file -c web`)
    expect(await run('exec talker -c web -- sha256sum /tmp/file')).toContain(
      spawnSync('sha256sum', [file], { encoding: 'utf8' }).stdout.split(' ')[0],
    )
    await run(`cp talker:/tmp/file ${back} -c web`)
    expect(readFileSync(back).equals(content)).toBe(true)
  }, 60_000)

  test.each(['pod/talker 18080:80', 'service/talker 18080:8080'])(
    'port-forward to %s',
    async target => {
      const forward = start(`port-forward ${target}`)
      try {
        await until(forward, /Forwarding from 127\.0\.0\.1:18080 -> 80\n/)
        const get = 'exec 3<>/dev/tcp/127.0.0.1/18080; printf "GET / HTTP/1.0\\r\\n\\r\\n" >&3; cat <&3'
        const answers = await Promise.all(Array.from({ length: 8 }, () => cluster.exec(['bash', '-c', get])))
        for (const answer of answers) expect(answer).toMatch(/200 OK[\s\S]*web\n$/)
      } finally {
        forward.kill()
      }
    },
    60_000,
  )

  test('run: an attached pod gives its output and its exit code', async () => {
    const args = ['run', 'once', `--image=${busyboxImage}`, '--restart=Never', '-i', '--rm', '--quiet', '--']
    expect(await run([...args, 'sh', '-c', 'read line; echo "said $line"'], 'yes\n')).toContain('said yes\n')
    await cluster.waitFor('--for=delete pod/once')
  }, 60_000)

  test('logs of a container before its restart, and of one that has ended', async () => {
    const attach = start('attach -i talker -c main')
    attach.stdin!.end('bye\nquit\n')
    await cluster.waitFor('--for=jsonpath={.status.containerStatuses[0].restartCount}=1 pod/talker')
    expect(await run('logs --previous talker -c main')).toMatch(/^one\n[\s\S]*got bye\nend\n$/)
  }, 60_000)
})
