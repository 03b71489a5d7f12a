/** What a server refuses to start with: one line that says why, exit code 1, and nothing has been created. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { Bed, canRunClusters, type RunOptions } from '../testbed/bed.ts'

const skiff = join(import.meta.dirname, '../../bin/skiff')
const suite = canRunClusters ? describe : describe.skip
if (!canRunClusters) console.log('start e2e: skipped, needs root and containerd')

suite('refused starts', () => {
  let bed: Bed
  const at = (path: string) => join(bed.dir, 'given', path)
  const server = (args: readonly string[], options?: RunOptions) => bed.run([skiff, 'server', ...args], options)

  /** Everything a server might create, and what stands there. */
  const files = async () =>
    (await bed.run(['find', bed.dir, '/run', '/etc/rancher', '/var/lib/rancher', '-printf', '%p %y %s\n'])).stdout

  beforeAll(async () => {
    bed = await Bed.create()
    mkdirSync(at('few'), { recursive: true })
    writeFileSync(at('file'), '')
    mkdirSync(at('read-only'))
    writeFileSync(at('broken.yaml'), 'tls-san: [a\nwrite-kubeconfig-mode: "0644"\n')
    writeFileSync(at('list.yaml'), '- a\n- b\n')
    for (const program of ['sh', 'dirname', 'readlink', 'basename'])
      symlinkSync(join('/bin', program), join(at('few'), program))
    await bed.run(['mount', '-t', 'tmpfs', '-o', 'ro', 'tmpfs', at('read-only')])
  }, 30_000)
  afterAll(() => bed?.destroy(), 30_000)

  /** Flags, and what the one line must say. `$` stands for the folder of the files above. */
  test.each<[name: string, args: string[], said: RegExp]>([
    ['an unknown flag', ['--no-such-flag'], /no-such-flag/],
    ['a flag without its value', ['--node-ip'], /node-ip/],
    ['a port that is none', ['--https-listen-port', '70000'], /70000: want a port/],
    ['a network that is none', ['--cluster-cidr', 'banana'], /banana/],
    ['a data-dir that is a file', ['--data-dir', '$/file'], /given\/file.* not a directory/],
    ['a data-dir below a file', ['--data-dir', '$/file/below'], /given\/file is not a directory/],
    ['a data-dir on a read-only file system', ['--data-dir', '$/read-only/k3s'], /read-only is not writable \(EROFS\)/],
    ['a data-dir the kernel refuses', ['--data-dir', '/proc/k3s'], /\/proc/],
    ['a broken config file', ['--config', '$/broken.yaml'], /broken\.yaml/],
    ['a config file that is no mapping', ['--config', '$/list.yaml'], /list\.yaml/],
    ['a broken registries.yaml', ['--private-registry', '$/broken.yaml'], /registry configuration .*broken\.yaml/],
    ['a node name nobody can have', ['--node-name', 'a b'], /"a b"/],
    ['a taint without an effect', ['--node-taint', 'key=value'], /key=value/],
    ['a feature of a later version', ['--secrets-encryption'], /--secrets-encryption is not supported/],
  ])(
    '%s',
    async (_, args, said) => {
      const before = await files()
      const { code, stdout, stderr } = await server(args.map(arg => arg.replace('$', at('.'))))
      expect({ code, stdout, lines: stderr.split('\n').length - 1 }).toEqual({ code: 1, stdout: '', lines: 1 })
      expect(stderr).toMatch(said)
      expect(await files()).toBe(before)
    },
    30_000,
  )

  test('a taken port names its holder', async () => {
    const holder = bed.spawn(['node', '-e', 'require("net").createServer().listen(6443, () => console.log("up"))'])
    try {
      await new Promise(resolve => holder.stdout!.once('data', resolve))
      const before = await files()
      const { code, stderr } = await server([])
      expect(code).toBe(1)
      expect(stderr).toMatch(/^skiff: port 6443 is already in use by node \(pid \d+\): .*\n$/)
      expect(await files()).toBe(before)
    } finally {
      holder.kill()
    }
  }, 30_000)

  test('a missing container runtime', async () => {
    const before = await files()
    const { code, stderr } = await server([], { env: { PATH: at('few') } })
    expect(code).toBe(1)
    expect(stderr).toMatch(/^skiff: containerd is not installed: .*\n$/)
    expect(await files()).toBe(before)
  }, 30_000)
})
