/** Which Kubernetes this is, and which Skiff. */
export const kubernetesVersion = { major: '1', minor: '36', patch: '4' } as const

/** "v1.36.4+skiff1", the form of K3s' versions; what /version and nodes report. */
export const gitVersion = `v${kubernetesVersion.major}.${kubernetesVersion.minor}.${kubernetesVersion.patch}+skiff1`
