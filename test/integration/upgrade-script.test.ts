/** The upgrade image's script on a machine of one service, whose release file is a stand-in of the same form. */
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'

const script = join(import.meta.dirname, '../../upgrade/upgrade.sh')
const isRoot = process.getuid?.() === 0
if (!isRoot) console.warn('no tests of the upgrade script: they need root, for process ids of their own')

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'skiff-upgrade-script-'))
  writeFileSync(
    join(dir, 'skiff.mjs'),
    `import { appendFileSync } from 'node:fs'
     appendFileSync('${dir}/started', process.env.VERSION + '\\n')
     process.on('SIGTERM', () => process.env.STUBBORN || process.exit(0))
     setInterval(() => {}, 1000)`,
  )
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

interface Release {
  readonly version: string
  readonly built?: string
  /** Fails to run. */
  readonly broken?: boolean
}

function release(name: string, { version, built = '2026-11-20T10:00:00Z', broken }: Release): string {
  const path = join(dir, name)
  const text = `#!/bin/sh
# A release file's form.
# version=${version} commit=1 built=${built} arch=amd64 node=v24.0.0
${broken ? 'echo "no such library" >&2; exit 127' : ''}
[ "$1" != --version ] || exec echo "skiff version ${version} (HEAD)"
case $0 in /*) SKIFF_FILE=$0 ;; *) SKIFF_FILE=$PWD/$0 ;; esac
export SKIFF_FILE VERSION=${version}
exec ${process.execPath} --max-semi-space-size=2 ${dir}/skiff.mjs "$@"
`
  writeFileSync(path, text)
  chmodSync(path, 0o755)
  return path
}

/** Runs commands with process ids of their own, where `upgrade` is the script and `service` starts a program again whenever it ends. */
function machine(commands: string, command = 'server') {
  const text = `
set -u
export HOST_ROOT= RELEASE_FILE=${dir}/new STOP_SECONDS=2
upgrade() { busybox sh ${script} "\${@:-upgrade}"; echo "exit $?"; }
service() { while :; do "$@"; sleep 0.1; done & }
starts() { while [ "$(cat ${dir}/started 2>/dev/null | wc -l)" -lt "$1" ]; do sleep 0.05; done; }
run() { service ${dir}/skiff ${command}; starts 1; }
${commands}
exit 0`
  const unshare = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc', 'bash', '-c', text]
  const { stdout, stderr } = spawnSync('unshare', unshare, {
    encoding: 'utf8',
    timeout: 120_000,
    killSignal: 'SIGKILL',
  })
  return { stdout, stderr }
}

const started = () => readFileSync(join(dir, 'started'), 'utf8').trim().split('\n')
const [older, newer] = [{ version: 'v1.36.4+skiff1' }, { version: 'v1.36.5+skiff1' }]

;(isRoot ? describe : describe.skip)('the upgrade script', () => {
  test('replaces the file of the running process, whose service starts the new one', () => {
    const [file, fresh] = [release('skiff', older), release('new', newer)]
    chmodSync(file, 0o750)
    const before = statSync(file).ino
    const { stdout, stderr } = machine('run; upgrade; starts 2')
    expect(stderr).toBe('')
    expect(stdout).toMatch(/runs .*\/skiff\n.*\n.*v1\.36\.4\+skiff1 is replaced by v1\.36\.5\+skiff1\n/)
    expect(stdout).toContain('exit 0')
    expect(started()).toEqual(['v1.36.4+skiff1', 'v1.36.5+skiff1'])
    expect(readFileSync(file)).toEqual(readFileSync(fresh))
    expect(statSync(file).mode & 0o777).toBe(0o750)
    expect(statSync(file).ino).not.toBe(before)
  })

  test('an agent that was started by a link: the file behind it is replaced, the link stays', () => {
    const [file, fresh] = [release('skiff', older), release('new', newer)]
    const { stdout } = machine(
      `ln -s skiff ${dir}/k3s; service ${dir}/k3s agent; starts 1; upgrade; starts 2; readlink ${dir}/k3s`,
    )
    expect(stdout).toMatch(/exit 0\nskiff\n$/)
    expect(readFileSync(file)).toEqual(readFileSync(fresh))
    expect(started()).toEqual(['v1.36.4+skiff1', 'v1.36.5+skiff1'])
  })

  test('a context of SELinux goes over to the new file', () => {
    release('skiff', older)
    release('new', newer)
    const context = 'system_u:object_r:container_runtime_exec_t:s0'
    const { stdout } = machine(`
      python3 -c 'import os; os.setxattr("${dir}/skiff", "security.selinux", b"${context}\\0")'
      run; upgrade
      python3 -c 'import os; print(os.getxattr("${dir}/skiff", "security.selinux"))'`)
    expect(stdout).toContain(context)
  })

  test('a file with the same content stays, and so does its process', () => {
    release('skiff', older)
    const { stdout } = machine(`run; cp ${dir}/skiff ${dir}/new; upgrade; sleep 0.5`)
    expect(stdout).toMatch(/this version already: nothing to do\nexit 0\n/)
    expect(started()).toEqual(['v1.36.4+skiff1'])
  })

  test('the process of an attempt that was broken off after the file is ended all the same', () => {
    release('skiff', older)
    release('new', newer)
    const { stdout } = machine(
      `run; sleep 3; cp ${dir}/new ${dir}/copy; mv ${dir}/copy ${dir}/skiff; upgrade; starts 2`,
    )
    expect(stdout).toContain('has been replaced before')
    expect(started()).toEqual(['v1.36.4+skiff1', 'v1.36.5+skiff1'])
  })

  test.each([
    ['an older version', older, newer, /refused: v1\.36\.5\+skiff1 runs here, and v1\.36\.4\+skiff1 is older/],
    ['an older minor version', { version: 'v1.9.9+skiff1' }, older, /refused: v1\.36\.4/],
    [
      'a newer version of an older month',
      { ...newer, built: '2026-10-30T10:00:00Z' },
      older,
      /refused: v1\.36\.4\+skiff1 here was built on 2026-11-20T10:00:00Z, later than v1\.36\.5\+skiff1/,
    ],
    ['a file that does not run here', { ...newer, broken: true }, older, /does not run on this host: no such library/],
  ])('%s is refused before anything has changed', (_, offered, present, message) => {
    const file = release('skiff', present)
    release('new', offered)
    const before = readFileSync(file)
    const { stdout, stderr } = machine(`run; upgrade; sleep 0.3; ls ${dir}`)
    expect(stderr).toMatch(message)
    expect(stdout).toContain('exit 1')
    expect(stdout).not.toContain('skiff.upgrade')
    expect(readFileSync(file)).toEqual(before)
    expect(started()).toEqual([present.version])
  })

  test('the same month of another version is no downgrade', () => {
    release('skiff', older)
    release('new', { ...newer, built: '2026-11-01T00:00:00Z' })
    expect(machine('run; upgrade; starts 2').stdout).toContain('exit 0')
  })

  test.each([
    ['nothing runs', ':', /no server or agent runs on this host/],
    [
      'two run',
      'run; service DIR/skiff agent; starts 2',
      /several servers or agents run on this host: processes \d+ \d+/,
    ],
    ['it does not end', 'export STUBBORN=1; run', /was asked to end and still runs after 2 s/],
    [
      'it runs from a source tree',
      'service node --no-warnings DIR/skiff.mjs server; starts 1',
      /runs from a source tree/,
    ],
  ])('where %s, one line says so', (_, commands, message) => {
    release('skiff', older)
    release('new', newer)
    const { stdout, stderr } = machine(`${commands.replaceAll('DIR', dir)}; upgrade`)
    expect(stderr).toMatch(message)
    expect(stderr.trim().split('\n')).toHaveLength(1)
    expect(stdout).toContain('exit 1')
  })

  test('commands that only mention a server are none', () => {
    release('skiff', older)
    release('new', newer)
    const { stdout } = machine(
      `run; service ${process.execPath} -e 'setInterval(() => {}, 9e6)' server; bash -c 'exec -a k3s sleep 1000 server' & sleep 0.5; upgrade; starts 2`,
    )
    expect(stdout).toContain('exit 0')
  })

  test.each([
    [['nonsense'], /"nonsense" is no command of this image: want upgrade, or prepare PLAN/],
    [['prepare'], /the name of the control plane's Plan is missing/],
  ])('%j is refused', (args, message) => {
    expect(machine(`upgrade ${args.join(' ')}`).stderr).toMatch(message)
  })
})
