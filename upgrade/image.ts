/**
 * The upgrade image: the release file and the script that puts it on a node, with Debian's static busybox to run the script.
 * It takes the place of rancher/k3s-upgrade, under that name, with the version as its tag.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ociArchive } from '../bootstrap/agent/images/oci-archive.ts'
import type { TarEntry } from '../bootstrap/agent/images/tar.ts'
import { busybox, directory, librariesOf, parents, program, unique } from './files.ts'

export const repository = 'docker.io/rancher/k3s-upgrade'

export interface UpgradeImage {
  /** The release file on this machine. */
  readonly release: string
  /** Its version, "v1.36.4+skiff1". */
  readonly version: string
  readonly repository?: string
}

/** "docker.io/rancher/k3s-upgrade:v1.36.4-skiff1": a tag cannot have a plus. */
export function imageName(version: string, name = repository): string {
  return `${name}:${version.replaceAll('+', '-')}`
}

/** "v1.36.4+skiff1", asked of the file itself. Throws when it does not run here. */
export function versionOf(release: string): string {
  const text = execFileSync(release, ['--version'], { encoding: 'utf8' })
  const version = /^\S+ version (\S+)/.exec(text)?.[1]
  if (version === undefined) throw new Error(`${release} --version does not name a version: ${text}`)
  return version
}

/** An OCI archive for this machine's architecture; equal inputs give equal bytes. */
export function upgradeImage({ release, version, repository: name }: UpgradeImage): Promise<Buffer> {
  const files: TarEntry[] = [
    ...['bin', 'dev', 'etc', 'host', 'opt', 'proc', 'root', 'run', 'sys', 'usr', 'var'].map(path => directory(path)),
    directory('tmp', 0o1777),
    ...busybox(),
    // For nodes with SELinux, which busybox knows nothing of.
    ...program('/usr/bin/chcon'),
    // The release file brings Node and finds the C library on the node; here for `prepare`.
    ...librariesOf(process.execPath).flatMap(path => [...parents(path), file(path, path)]),
    { path: 'etc/passwd', content: Buffer.from('root:x:0:0:root:/root:/bin/sh\n') },
    file('/bin/upgrade.sh', join(import.meta.dirname, 'upgrade.sh')),
    file('/opt/k3s', release),
  ]
  return ociArchive({
    name: imageName(version, name),
    files: unique(files),
    entrypoint: ['/bin/upgrade.sh'],
    cmd: ['upgrade'],
    labels: { 'org.opencontainers.image.version': version },
  })
}

const file = (path: string, source: string): TarEntry => ({
  path: path.slice(1),
  content: readFileSync(source),
  mode: 0o755,
})
