/** The chart of a Job: found, fetched, unpacked. */
import type { Chart } from '../chart/chart.ts'
import { parseDockerConfig } from '../sources/docker-config.ts'
import { type ChartSource, chartSource, fetchChart } from '../sources/source.ts'
import type { JobFiles } from './files.ts'
import type { JobRequest } from './request.ts'

export interface FetchDeps {
  readonly signal: AbortSignal
  readonly proxies: { readonly [name: string]: string | undefined }
  readonly say: (text: string) => void
  readonly load: (archive: Uint8Array, name: string) => Promise<Chart>
}

/** Rejects with Error, one line that says what is wrong with which chart. */
export async function chartOf(
  request: JobRequest,
  files: JobFiles,
  { signal, proxies, say, load }: FetchDeps,
): Promise<Chart> {
  const { name, chart, repo, version, plainHttp, insecure, passCredentials } = request
  const source: ChartSource =
    files.content === undefined ? chartSource(chart, repo, version) : { kind: 'content', base64: files.content }
  const { auth, ca, clusterCa } = files
  const [username, password] = [auth.get('username'), auth.get('password')]
  const isRepository = source.kind === 'repository'
  const fetched = await fetchChart(
    source,
    {
      credentials:
        username !== undefined && password !== undefined
          ? { username, password, everywhere: passCredentials }
          : undefined,
      docker: files.dockerConfig === undefined ? undefined : parseDockerConfig(files.dockerConfig),
      plainHttp,
    },
    {
      signal,
      proxies,
      tls: {
        ca,
        moreCa: clusterCa,
        insecure,
        ...(isRepository ? { cert: auth.get('tls.crt'), key: auth.get('tls.key') } : {}),
      },
    },
  )
  if (source.kind !== 'content')
    say(`Pulled: ${fetched.from}\n${fetched.digest === undefined ? '' : `Digest: ${fetched.digest}\n`}`)
  return load(fetched.archive, source.kind === 'content' ? `${name}.tgz` : fetched.from)
}
