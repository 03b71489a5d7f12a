/** Images of this machine's own programs, as archives for agent/images/: nothing is pulled. */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ociArchive } from '../../bootstrap/agent/images/oci-archive.ts'
import type { TarEntry } from '../../bootstrap/agent/images/tar.ts'

/** bash, busybox's commands, getent (the C library's resolver) and `fetch`. */
export const busyboxImage = 'docker.io/library/busybox:1'
/** Serves /www on port 80 by HTTP. */
export const webImage = 'docker.io/library/web:1'

/** busybox is linked statically, and what it does with names and addresses crashes; bash has the C library's resolver. */
const fetchScript = `#!/bin/bash
# fetch HOST[:PORT][/PATH]: prints what HTTP answers; fails without an answer within 5 s.
[ -n "$FETCH_STARTED" ] || FETCH_STARTED=1 exec timeout 5 "$0" "$@"
set -eu
where=\${1%%/*} path=/
[[ $1 != */* ]] || path=/\${1#*/}
host=\${where%%:*} port=80
[[ $where != *:* ]] || port=\${where##*:}
exec 3<>"/dev/tcp/$host/$port"
printf 'GET %s HTTP/1.0\r\nHost: %s\r\n\r\n' "$path" "$where" >&3
answer=$(cat <&3; echo .)
printf %s "\${answer#*$'\r\n\r\n'}" | head -c -1
`

const directory = (path: string, mode = 0o755): TarEntry => ({ path, type: 'directory', mode })

/** A dynamically linked program, its loader and libraries, at the paths it looks for them. */
function program(path: string): TarEntry[] {
  const libraries = [...execFileSync('ldd', [path], { encoding: 'utf8' }).matchAll(/(?:=> )?(\/\S+) \(0x/g)]
  const files = [path, ...libraries.map(match => match[1]!)]
  return files.flatMap(file => [...parents(file), { path: file.slice(1), content: readFileSync(file), mode: 0o755 }])
}

function parents(path: string): TarEntry[] {
  const parts = path.slice(1).split('/').slice(0, -1)
  return parts.map((_, index) => directory(parts.slice(0, index + 1).join('/')))
}

function files(): TarEntry[] {
  const busybox = '/bin/busybox'
  const applets = execFileSync(busybox, ['--list'], { encoding: 'utf8' }).trim().split('\n')
  const all: TarEntry[] = [
    ...['bin', 'etc', 'usr', 'usr/bin', 'proc', 'sys', 'dev', 'root', 'var', 'www', 'home'].map(path =>
      directory(path),
    ),
    directory('tmp', 0o1777),
    { path: 'bin/busybox', content: readFileSync(busybox), mode: 0o755 },
    ...applets
      .filter(name => name !== 'busybox')
      .map(name => ({ path: `bin/${name}`, type: 'symlink' as const, target: '/bin/busybox' })),
    ...program('/bin/bash'),
    ...program('/usr/bin/getent'),
    { path: 'bin/fetch', content: Buffer.from(fetchScript), mode: 0o755 },
    { path: 'etc/nsswitch.conf', content: Buffer.from('hosts: files dns\n') },
    { path: 'etc/passwd', content: Buffer.from('root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home:/bin/sh\n') },
    { path: 'etc/group', content: Buffer.from('root:x:0:\nuser:x:1000:\n') },
    { path: 'www/index.html', content: Buffer.from('web\n') },
  ]
  return [...new Map(all.map(entry => [entry.path, entry])).values()]
}

/** Writes busybox.tar and web.tar into `folder`. */
export async function writeImages(folder: string): Promise<void> {
  const content = files()
  const images = {
    busybox: { name: busyboxImage, files: content, cmd: ['sh'] },
    web: { name: webImage, files: content, entrypoint: ['httpd', '-f', '-p', '80', '-h', '/www'] },
  }
  for (const [name, image] of Object.entries(images))
    writeFileSync(join(folder, `${name}.tar`), await ociArchive(image))
}
