/** The size of a local-path volume as a limit, on an XFS of its own in a file, where the kernel and the tools can do that. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'

let folder: string
let unable: string | undefined

/** Runs a script in a mount namespace of its own, with the file system mounted at FOLDER/disk. */
function inNamespace(script: string) {
  const mount = `mount -o loop,prjquota ${folder}/disk.img ${folder}/disk`
  return spawnSync('unshare', ['-m', 'sh', '-ec', `${mount}\n${script}`], { encoding: 'utf8' })
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'skiff-quota-'))
  const prepared = spawnSync('sh', [
    '-ec',
    `mkdir ${folder}/disk; truncate -s 400M ${folder}/disk.img; mkfs.xfs -q ${folder}/disk.img; command -v xfs_quota`,
  ])
  const mounted = prepared.status === 0 ? inNamespace('true') : prepared
  if (mounted.status !== 0) unable = String(mounted.stderr).trim() || 'no XFS tools'
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('a volume takes what its claim asked for, and no more', () => {
  if (unable !== undefined) {
    console.log(`local quota: skipped, cannot mount XFS with project quotas here: ${unable}`)
    return
  }
  const helper = join(import.meta.dirname, '../../operators/localpath/helper.ts')
  const program = join(folder, 'make.ts')
  writeFileSync(
    program,
    `import { localPathHelperModule } from ${JSON.stringify(helper)}
process.exitCode = await localPathHelperModule.run({
  args: ['-p', '${folder}/disk/storage/v', '-s', '10485760', '-m', 'Filesystem', '-a', 'create'],
  env: {}, hostPath: path => path, stdout: text => process.stdout.write(text), stderr: () => {},
} as never)
`,
  )
  const script = [
    `${process.execPath} ${program}`,
    `dd if=/dev/zero of=${folder}/disk/storage/v/small bs=1M count=8 2>/dev/null && echo fits`,
    `dd if=/dev/zero of=${folder}/disk/storage/v/large bs=1M count=8 2>&1 | grep -o 'No space left on device'`,
    `dd if=/dev/zero of=${folder}/disk/other bs=1M count=20 2>/dev/null && echo others are free`,
  ].join('\n')
  const { stdout, stderr } = inNamespace(script)
  expect(stderr).toBe('')
  expect(stdout.replace(/made .*, /, '').split('\n')).toEqual([
    'limited to 10485760 bytes',
    'fits',
    'No space left on device',
    'others are free',
    '',
  ])
}, 60_000)

test('the machine is left as it was', () => {
  expect(execFileSync('cat', ['/proc/self/mounts'], { encoding: 'utf8' })).not.toContain(folder)
})
