import { expect, test } from '@jest/globals'
import { type ContainerdConfig, containerdToml } from './config.ts'
import { hasCapability } from './host.ts'
import { hostsFiles, registryAuths } from './registries.ts'

const config: ContainerdConfig = {
  majorVersion: 1,
  root: '/data/agent/containerd',
  state: '/run/k3s/containerd/state',
  socket: '/run/k3s/containerd/containerd.sock',
  snapshotter: 'overlayfs',
  sandboxImage: 'docker.io/rancher/mirrored-pause:3.10.2',
  cniConfDir: '/data/agent/etc/cni/net.d',
  cniBinDir: '/usr/lib/cni',
  certsDir: '/data/agent/etc/containerd/certs.d',
  systemdCgroup: false,
  restrictOomScoreAdj: true,
  selinux: false,
  nonrootDevices: false,
  runtimes: [],
  defaultRuntime: 'runc',
  auths: { 'r.example': { username: 'u', password: 'p"w' } },
}

test('version 2 for containerd 1.x', () => {
  const text = containerdToml(config)
  expect(text).toContain('version = 2\nroot = "/data/agent/containerd"\nstate = "/run/k3s/containerd/state"')
  expect(text).toContain('[grpc]\n  address = "/run/k3s/containerd/containerd.sock"')
  expect(text).toContain('[plugins."io.containerd.grpc.v1.cri"]\n  enable_selinux = false')
  expect(text).toContain('  restrict_oom_score_adj = true\n')
  expect(text).toContain('  sandbox_image = "docker.io/rancher/mirrored-pause:3.10.2"')
  expect(text).toContain(
    '[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]\n  SystemdCgroup = false',
  )
  expect(text).toContain(
    '[plugins."io.containerd.grpc.v1.cri".registry.configs."r.example".auth]\n  username = "u"\n  password = "p\\"w"',
  )
})

test('version 3 for containerd 2.x', () => {
  const text = containerdToml({ ...config, majorVersion: 2 })
  expect(text).toContain('version = 3\n')
  expect(text).toContain(
    '[plugins."io.containerd.cri.v1.images".pinned_images]\n  sandbox = "docker.io/rancher/mirrored-pause:3.10.2"',
  )
  expect(text).toContain('[plugins."io.containerd.cri.v1.runtime".cni]\n  bin_dir = "/usr/lib/cni"')
  expect(text).not.toContain('sandbox_image')
})

test.each([
  [1, '[plugins."io.containerd.grpc.v1.cri".containerd'],
  [2, '[plugins."io.containerd.cri.v1.runtime".containerd'],
])('runtimes that were found, for containerd %i', (majorVersion, parent) => {
  const runtimes = [
    { name: 'nvidia-cdi', type: 'io.containerd.runc.v2', binary: '/usr/bin/nvidia-container-runtime.cdi' },
    { name: 'spin', type: 'io.containerd.spin.v2' },
  ]
  const text = containerdToml({ ...config, majorVersion, runtimes, defaultRuntime: 'nvidia-cdi' })
  expect(text).toContain('  default_runtime_name = "nvidia-cdi"\n')
  expect(text).toContain(`${parent}.runtimes.runc]\n  runtime_type = "io.containerd.runc.v2"`)
  expect(text).toContain(
    `${parent}.runtimes."nvidia-cdi".options]\n  BinaryName = "/usr/bin/nvidia-container-runtime.cdi"\n  SystemdCgroup = false`,
  )
  expect(text).toContain(`${parent}.runtimes.spin]\n  runtime_type = "io.containerd.spin.v2"`)
  expect(text).not.toContain('runtimes.spin.options')
})

const registries = {
  mirrors: {
    'docker.io': {
      endpoint: ['https://mirror.example:5000', 'http://other.example/v2/proxy'],
      rewrite: { '^library/(.*)': 'hub/$1' },
    },
    '*': { endpoint: ['https://all.example'] },
  },
  configs: {
    'mirror.example:5000': {
      auth: { username: 'u', password: 'p' },
      tls: { ca_file: '/ca', cert_file: '/c', key_file: '/k' },
    },
    'bare.example': { tls: { insecure_skip_verify: true } },
  },
}

test('registries become hosts.toml files', () => {
  const files = hostsFiles(registries)
  expect([...files.keys()].sort()).toEqual(['_default', 'bare.example', 'docker.io', 'mirror.example:5000'])
  expect(files.get('docker.io')).toBe(`server = "https://registry-1.docker.io/v2"
capabilities = ["pull", "resolve", "push"]

[host."https://mirror.example:5000/v2"]
  capabilities = ["pull", "resolve"]
  ca = ["/ca"]
  client = [["/c", "/k"]]
  [host."https://mirror.example:5000/v2".rewrite]
    "^library/(.*)" = "hub/$1"

[host."http://other.example/v2/proxy"]
  capabilities = ["pull", "resolve"]
  override_path = true
  [host."http://other.example/v2/proxy".rewrite]
    "^library/(.*)" = "hub/$1"
`)
  expect(files.get('bare.example')).toContain('skip_verify = true')
  expect(files.get('_default')).not.toContain('server =')
  expect(hostsFiles(registries, true).get('docker.io')).not.toContain('server =')
})

test('credentials go by host', () => {
  expect(registryAuths(registries)).toEqual({ 'mirror.example:5000': { username: 'u', password: 'p' } })
})

test.each([
  ['CapEff:\t000001fffeffffff', false],
  ['CapEff:\t000001ffffffffff', true],
  ['', false],
])('CAP_SYS_RESOURCE in %j', (status, expected) => {
  expect(hasCapability(status, 24n)).toBe(expected)
})
