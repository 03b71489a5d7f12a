/** Builds a one-layer OCI image archive (image-spec 1.0 layout in a tar file) that `ctr images import` reads. */
import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { type TarEntry, tar } from './tar.ts'

const gzipped = promisify(gzip)

export interface ImageSource {
  /** Full name with registry and tag, e.g. "docker.io/library/box:1". */
  readonly name: string
  readonly files: readonly TarEntry[]
  readonly entrypoint?: readonly string[]
  readonly cmd?: readonly string[]
  readonly env?: readonly string[]
  readonly user?: string
  readonly workingDir?: string
  readonly stopSignal?: string
  readonly labels?: { readonly [key: string]: string }
}

const architectures: { readonly [node: string]: string } = { x64: 'amd64', arm64: 'arm64', arm: 'arm', ia32: '386' }

const digestOf = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex')

/** Go's name of this machine's architecture. */
export function goArchitecture(): string {
  return architectures[process.arch] ?? process.arch
}

/** The archive's bytes. PATH is set unless `env` has one: a command without a slash fails otherwise. */
export async function ociArchive(image: ImageSource): Promise<Buffer> {
  const layerTar = tar(image.files)
  const layer = await gzipped(layerTar)
  const env = image.env?.some(entry => entry.startsWith('PATH='))
    ? image.env
    : ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', ...(image.env ?? [])]
  const config = Buffer.from(
    JSON.stringify({
      created: '1970-01-01T00:00:00Z',
      architecture: goArchitecture(),
      os: 'linux',
      config: {
        Env: env,
        Entrypoint: image.entrypoint,
        Cmd: image.cmd,
        User: image.user,
        WorkingDir: image.workingDir ?? '/',
        StopSignal: image.stopSignal,
        Labels: image.labels,
      },
      rootfs: { type: 'layers', diff_ids: [`sha256:${digestOf(layerTar)}`] },
      history: [{ created: '1970-01-01T00:00:00Z', created_by: 'skiff' }],
    }),
  )
  const descriptor = (mediaType: string, data: Uint8Array) => ({
    mediaType,
    digest: `sha256:${digestOf(data)}`,
    size: data.length,
  })
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: descriptor('application/vnd.oci.image.config.v1+json', config),
      layers: [descriptor('application/vnd.oci.image.layer.v1.tar+gzip', layer)],
    }),
  )
  const index = {
    schemaVersion: 2,
    manifests: [
      {
        ...descriptor('application/vnd.oci.image.manifest.v1+json', manifest),
        annotations: {
          'io.containerd.image.name': image.name,
          'org.opencontainers.image.ref.name': image.name.replace(/^.*:/, ''),
        },
      },
    ],
  }
  const blob = (data: Uint8Array): TarEntry => ({ path: `blobs/sha256/${digestOf(data)}`, content: data })
  return tar([
    { path: 'oci-layout', content: Buffer.from('{"imageLayoutVersion":"1.0.0"}') },
    { path: 'index.json', content: Buffer.from(JSON.stringify(index)) },
    blob(config),
    blob(layer),
    blob(manifest),
  ])
}
