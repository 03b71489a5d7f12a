/** Which Kubernetes this is, and which Skiff. */
export const kubernetesVersion = { major: '1', minor: '36', patch: '4' } as const

/** "v1.36.4+skiff1", the form of K3s' versions; what /version and nodes report. */
export const gitVersion = `v${kubernetesVersion.major}.${kubernetesVersion.minor}.${kubernetesVersion.patch}+skiff1`

/** What /version answers. */
export const versionInfo = {
  major: kubernetesVersion.major,
  minor: kubernetesVersion.minor,
  gitVersion,
  gitCommit: '',
  gitTreeState: 'clean',
  buildDate: '2026-01-01T00:00:00Z',
  goVersion: process.version,
  compiler: 'v8',
  platform: `${process.platform}/${process.arch === 'x64' ? 'amd64' : process.arch}`,
} as const
