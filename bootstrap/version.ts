/** Which Kubernetes this is, and which Skiff: the one of the sources, or the one a release was built as. */

/** Put in by scripts/build.ts; absent when the sources run as they are. */
declare const SKIFF_BUILD: Build | undefined

interface Build {
  /** "v1.36.4+skiff1"; undefined for that of the sources. */
  readonly version?: string
  readonly commit?: string
  /** RFC 3339. */
  readonly date?: string
  /** Whether the sources were those of the commit. */
  readonly clean?: boolean
}

/** The version of these sources. */
export const sourceVersion = 'v1.36.4+skiff1'

const build: Build = typeof SKIFF_BUILD === 'undefined' ? {} : SKIFF_BUILD

/** "v1.36.4+skiff1", the form of K3s' versions; what /version and nodes report. */
export const gitVersion = build.version ?? sourceVersion

export const kubernetesVersion = partsOf(gitVersion)

/** What /version answers. */
export const versionInfo = {
  major: kubernetesVersion.major,
  minor: kubernetesVersion.minor,
  gitVersion,
  gitCommit: build.commit ?? '',
  gitTreeState: build.clean === false ? 'dirty' : 'clean',
  buildDate: build.date ?? '2026-01-01T00:00:00Z',
  goVersion: process.version,
  compiler: 'v8',
  platform: `${process.platform}/${process.arch === 'x64' ? 'amd64' : process.arch}`,
} as const

/** What `--version` prints, in K3s' form: "k3s version v1.36.4+skiff1 (1a2b3c4d)", and what it runs on. */
export function versionText(program: string): string {
  const commit = `${versionInfo.gitCommit.slice(0, 8) || 'HEAD'}${build.clean === false ? '-dirty' : ''}`
  return `${program} version ${gitVersion} (${commit})\nnode version ${process.version}\n`
}

/** Throws when `version` has not the form of a version of Kubernetes. */
export function partsOf(version: string): { readonly major: string; readonly minor: string; readonly patch: string } {
  const [, major, minor, patch] = /^v(\d+)\.(\d+)\.(\d+)(?:[-+][0-9A-Za-z.+-]+)?$/.exec(version) ?? []
  if (patch === undefined) throw new Error(`version "${version}": want one like ${sourceVersion}`)
  return { major: major!, minor: minor!, patch }
}
