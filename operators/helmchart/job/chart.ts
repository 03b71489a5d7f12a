/** The chart of a Job: found, fetched, unpacked. */
import type { Chart } from '../chart/chart.ts'
import { loadArchive, loadBase64 } from '../chart/load.ts'
import { parseDockerConfig } from '../sources/docker-config.ts'
import { chartSource, fetchChart } from '../sources/source.ts'
import type { JobFiles } from './files.ts'
import type { JobRequest } from './request.ts'

export interface FetchDeps {
  readonly signal: AbortSignal
  readonly proxies: { readonly [name: string]: string | undefined }
  readonly say: (text: string) => void
}

/** Rejects with Error, one line that says what is wrong with which chart. */
export async function chartOf(
  request: JobRequest,
  files: JobFiles,
  { signal, proxies, say }: FetchDeps,
): Promise<Chart> {
  const { name, chart, repo, version, plainHttp, insecure, passCredentials } = request
  if (files.content !== undefined) return loadBase64(files.content.trim(), `${name}.tgz`)
  const source = chartSource(chart, repo, version)
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
  say(`Pulled: ${fetched.from}\n${fetched.digest === undefined ? '' : `Digest: ${fetched.digest}\n`}`)
  return loadArchive(fetched.archive, fetched.from)
}
