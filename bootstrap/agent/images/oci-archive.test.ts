import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { expect, test } from '@jest/globals'
import { ociArchive } from './oci-archive.ts'
import { tar } from './tar.ts'

const list = (archive: Buffer, ...options: string[]) =>
  execFileSync('tar', ['-f', '-', ...options], { input: archive }).toString()

test('tar reads what is written', () => {
  const archive = tar([
    { path: 'dir', type: 'directory', mode: 0o1777 },
    { path: 'dir/file', content: Buffer.from('x'.repeat(600)), mode: 0o750 },
    { path: 'link', type: 'symlink', target: 'dir/file' },
  ])
  const lines = list(archive, '-tv')
    .trim()
    .split('\n')
    .map(line => line.split(/\s+/))
  expect(lines.map(fields => [fields[0], fields[2], fields.slice(5).join(' ')])).toEqual([
    ['drwxrwxrwt', '0', 'dir/'],
    ['-rwxr-x---', '600', 'dir/file'],
    ['lrw-r--r--', '0', 'link -> dir/file'],
  ])
})

test('a name that does not fit is refused', () => {
  expect(() => tar([{ path: 'x'.repeat(101) }])).toThrow('tar path over 100 bytes')
})

test('an OCI archive holds what its digests say', async () => {
  const archive = await ociArchive({
    name: 'docker.io/library/x:1',
    files: [{ path: 'a', content: Buffer.from('a') }],
    entrypoint: ['/a'],
  })
  const read = (path: string) => execFileSync('tar', ['-xOf', '-', path], { input: archive })
  const [descriptor] = JSON.parse(read('index.json').toString()).manifests
  expect(descriptor.annotations['io.containerd.image.name']).toBe('docker.io/library/x:1')
  const blob = (digest: string) => {
    const content = read(`blobs/sha256/${digest.slice('sha256:'.length)}`)
    expect(`sha256:${createHash('sha256').update(content).digest('hex')}`).toBe(digest)
    return content
  }
  const manifest = JSON.parse(blob(descriptor.digest).toString())
  const config = JSON.parse(blob(manifest.config.digest).toString())
  expect(config.config.Entrypoint).toEqual(['/a'])
  expect(config.config.Env[0]).toMatch(/^PATH=/)
  expect(list(execFileSync('gunzip', { input: blob(manifest.layers[0].digest) }), '-t')).toBe('a\n')
})
