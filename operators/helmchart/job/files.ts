/** The files of a Job's pod. Only volumes are looked into: a path that none is mounted at has nothing. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { repoCaFile } from '../values-files.ts'

export interface NamedText {
  readonly name: string
  readonly text: string
}

/** Where a path inside the pod lies on the host, or the path itself where nothing is mounted. */
export type HostPath = (path: string) => string

/** Files of a mounted folder in the order of their names; none when it is not mounted. */
async function filesOf(hostPath: HostPath, path: string): Promise<NamedText[]> {
  const folder = hostPath(path)
  if (folder === path) return []
  const names = (await readdir(folder)).filter(name => !name.startsWith('.')).sort()
  return Promise.all(names.map(async name => ({ name, text: await readFile(join(folder, name), 'utf8') })))
}

async function fileOf(hostPath: HostPath, folder: string, name: string): Promise<string | undefined> {
  return (await filesOf(hostPath, folder)).find(file => file.name === name)?.text
}

export interface JobFiles {
  /** In the order of their precedence, the strongest last. */
  readonly values: readonly NamedText[]
  /** Certificates to trust alone, if any are given. */
  readonly ca: string | undefined
  /** The cluster's own. */
  readonly clusterCa: string | undefined
  /** username and password, or tls.crt and tls.key. */
  readonly auth: ReadonlyMap<string, string>
  readonly dockerConfig: string | undefined
  /** The chart's archive in base64. */
  readonly content: string | undefined
}

export async function readJobFiles(hostPath: HostPath, release: string): Promise<JobFiles> {
  const config = await filesOf(hostPath, '/config')
  const authorities = [...config.filter(({ name }) => name === repoCaFile), ...(await filesOf(hostPath, '/ca-files'))]
  return {
    values: config.filter(({ name }) => name.endsWith('.yaml')),
    ca: authorities.length > 0 ? authorities.map(({ text }) => text).join('\n') : undefined,
    clusterCa: await fileOf(hostPath, '/var/run/secrets/kubernetes.io/serviceaccount', 'ca.crt'),
    auth: new Map((await filesOf(hostPath, '/auth')).map(({ name, text }) => [name, text])),
    dockerConfig: await fileOf(hostPath, '/home/klipper-helm/.docker', 'config.json'),
    content: await fileOf(hostPath, '/chart', `${release}.tgz.base64`),
  }
}
