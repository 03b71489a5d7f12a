import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buffer, text } from 'node:stream/consumers'
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { canStream, kubectls, StreamingFixture } from './streaming-fixture.ts'

jest.setTimeout(20_000)
const versions = canStream ? kubectls('1.27', '1.30', '1.33') : []
const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest('hex')

if (versions.length === 0) {
  test.skip('needs root, containerd and kubectl 1.27 to 1.33', () => {})
} else {
  const fixture = new StreamingFixture()
  beforeAll(() => fixture.start(), 60_000)
  afterAll(() => fixture.stop(), 60_000)

  describe.each(versions)('kubectl %s', (version, program) => {
    const environment = { ...process.env, KUBECONFIG: fixture.kubeconfig, HOME: fixture.directory }
    const children = new Set<ChildProcess>()
    afterEach(() => {
      for (const child of children) child.kill('SIGKILL')
      children.clear()
    })
    const start = (...words: string[]) => {
      const child = spawn(program, words, { env: environment })
      children.add(child)
      return child
    }

    async function run(words: string[], input: Uint8Array | string = '') {
      const child = start(...words)
      child.stdin.on('error', () => {})
      child.stdin.end(input)
      const exited = new Promise<number | null>(resolve => child.once('close', resolve))
      const [stdout, stderr] = await Promise.all([buffer(child.stdout), text(child.stderr)])
      return { code: await exited, stdout, stderr }
    }
    const exec = (script: string, input?: Uint8Array | string) =>
      run(['exec', 'p', '-c', 'c', ...(input === undefined ? [] : ['-i']), '--', 'sh', '-c', script], input)

    test('exec keeps the two outputs apart and passes the exit code on', async () => {
      const done = await exec('echo out; echo err >&2')
      expect({ ...done, stdout: String(done.stdout) }).toEqual({ code: 0, stdout: 'out\n', stderr: 'err\n' })
      const failed = await exec('echo partly; exit 3')
      expect([failed.code, String(failed.stdout)]).toEqual([3, 'partly\n'])
      expect(failed.stderr).toContain('command terminated with exit code 3')
    })

    test('exec of what does not exist says so', async () => {
      const failed = await run(['exec', 'p', '-c', 'c', '--', 'nonesuch'])
      expect(failed.code).not.toBe(0)
      expect(failed.stderr).toContain('nonesuch')
    })

    test('10 MB of input arrive, and their end', async () => {
      const data = randomBytes(10_000_000)
      const { code, stdout } = await exec('sha256sum', data)
      expect([code, String(stdout).split(' ')[0]]).toEqual([0, sha256(data)])
    })

    test('20 MB of output arrive', async () => {
      const { code, stdout } = await exec('yes skiff | head -c 20000000')
      expect([code, stdout.length]).toEqual([0, 20_000_000])
      expect(sha256(stdout)).toBe(sha256(Buffer.alloc(20_000_000, 'skiff\n')))
    })

    test('a command may end while its input stays open', async () => {
      const child = start('exec', '-i', 'p', '-c', 'c', '--', 'head', '-c', '4')
      const exited = new Promise(resolve => child.once('close', resolve))
      child.stdin.write('abcdefgh')
      expect([await text(child.stdout), await exited]).toEqual(['abcd', 0])
    })

    test('a terminal has the size of the client and follows it', async () => {
      const until = (condition: string) => `until ${condition}; do sleep 0.05; done`
      const sized = (size: string) => until(`[ "$(stty size)" = "${size}" ]`)
      const inside = `${sized('33 101')}; echo first; ${sized('40 90')}; echo second`
      const [record, file] = ['record', 'script'].map(name => join(fixture.directory, `${name}-${version}`))
      const resize = `(${until(`grep -q first ${record}`)}; stty rows 40 cols 90 </dev/tty) &`
      writeFileSync(file!, `stty rows 33 cols 101; ${resize} ${program} exec -it p -c c -- sh -c '${inside}'`)
      const child = spawn('script', ['-qefc', `sh ${file}`, record!], { env: environment })
      children.add(child)
      const seen = await text(child.stdout)
      expect(seen.replaceAll('\r', '')).toContain('first\nsecond\n')
    })

    test('attach joins a running container', async () => {
      const child = start('attach', '-i', 'p', '-c', 'echo')
      child.stdin.write(`hello ${version}\n`)
      expect(await firstMatch(child, /got .*/)).toBe(`got hello ${version}`)
    })

    test('cp takes a directory there and back', async () => {
      const [from, to] = [join(fixture.directory, `from-${version}`), join(fixture.directory, `to-${version}`)]
      mkdirSync(join(from, 'deep'), { recursive: true })
      const files = { small: randomBytes(10), 'deep/large': randomBytes(2_000_000) }
      for (const [name, data] of Object.entries(files)) writeFileSync(join(from, name), data)
      const there = await run(['cp', from, `p:/tmp/copy-${version}`, '-c', 'c'])
      expect([there.code, there.stderr]).toEqual([0, ''])
      const back = await run(['cp', `p:tmp/copy-${version}`, to, '-c', 'c'])
      expect(back.code).toBe(0)
      expect(readdirSync(to).sort()).toEqual(['deep', 'small'])
      for (const [name, data] of Object.entries(files)) expect(sha256(readFileSync(join(to, name)))).toBe(sha256(data))
    })

    test('port-forward carries connections side by side', async () => {
      const child = start('port-forward', 'pod/p', ':8080')
      const port = /:(\d+) ->/.exec(await firstMatch(child, /Forwarding from 127.*/))?.[1]
      const fetched = await Promise.all(
        ['big', 'big', 'absent'].map(async name => {
          const answer = await fetch(`http://127.0.0.1:${port}/${name}`, { headers: { connection: 'close' } })
          return [answer.status, name === 'big' ? sha256(Buffer.from(await answer.arrayBuffer())) : '']
        }),
      )
      const big = sha256(Buffer.alloc(3_000_000, 'skiff\n'))
      expect(fetched).toEqual([
        [200, big],
        [200, big],
        [404, ''],
      ])
    })

    test('port-forward to a closed port says why', async () => {
      const child = start('port-forward', 'pod/p', ':81')
      const port = /:(\d+) ->/.exec(await firstMatch(child, /Forwarding from 127.*/))?.[1]
      const told = firstMatch(child, /error forwarding port 81 .*/, 'stderr')
      await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined)
      expect(await told).toMatch(/connection refused/)
    })
  })
}

/** The first match in a program's output; rejects with all of it when the program ends before. */
function firstMatch(child: ChildProcess, pattern: RegExp, from: 'stdout' | 'stderr' = 'stdout'): Promise<string> {
  return new Promise((resolve, reject) => {
    let seen = ''
    const look = (data: Buffer) => {
      seen += data
      const match = pattern.exec(seen)?.[0]
      if (match !== undefined) resolve(match)
    }
    child[from]!.on('data', look)
    child.once('close', () => reject(new Error(`no ${pattern} in: ${seen}`)))
  })
}
