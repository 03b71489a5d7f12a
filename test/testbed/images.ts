/** Images of this machine's own programs, as archives for agent/images/: nothing is pulled. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ociArchive } from '../../bootstrap/agent/images/oci-archive.ts'
import type { TarEntry } from '../../bootstrap/agent/images/tar.ts'
import { busybox, directory, program, unique } from '../../upgrade/files.ts'

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

function files(): TarEntry[] {
  const all: TarEntry[] = [
    ...['bin', 'etc', 'usr', 'usr/bin', 'proc', 'sys', 'dev', 'root', 'var', 'www', 'home'].map(path =>
      directory(path),
    ),
    directory('tmp', 0o1777),
    ...busybox(),
    ...program('/bin/bash'),
    ...program('/usr/bin/getent'),
    { path: 'bin/fetch', content: Buffer.from(fetchScript), mode: 0o755 },
    { path: 'etc/nsswitch.conf', content: Buffer.from('hosts: files dns\n') },
    { path: 'etc/passwd', content: Buffer.from('root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home:/bin/sh\n') },
    { path: 'etc/group', content: Buffer.from('root:x:0:\nuser:x:1000:\n') },
    { path: 'www/index.html', content: Buffer.from('web\n') },
  ]
  return unique(all)
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
