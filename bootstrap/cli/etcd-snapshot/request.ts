/** Asking a server about its snapshots: POST /db/snapshot with the server's token (k3s-io/k3s pkg/cli/etcdsnapshot). */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { formatDuration } from '../../api/time.ts'
import { ConfigError, type FlagValues } from '../../config/parse.ts'
import { s3Config } from '../../config/s3-config.ts'
import { AnswerError, accessServer } from '../../join/server-access.ts'
import { logLine } from './print.ts'

export interface Asked {
  readonly operation: 'save' | 'list' | 'prune' | 'delete' | 'verify'
  readonly name?: readonly string[]
  readonly retention?: number
}

const path = '/db/snapshot'
const quickMs = 120_000
/** Writing or reading all data takes its time on a slow disk. K3s gives up after two minutes, and the snapshot is taken all the same. */
const slowMs = 1_800_000

/** What the server answers, as JSON. ConfigError in one line when it refuses or cannot be reached. */
export async function askServer(asked: Asked, values: FlagValues, host: NodeJS.Process): Promise<unknown> {
  const { s3, timeoutMs } = s3Of(values)
  const body = JSON.stringify({
    ...asked,
    ...(values.given('etcd-snapshot-dir') ? { dir: values.string('etcd-snapshot-dir') } : {}),
    ...(values.given('etcd-snapshot-compress') ? { compress: values.bool('etcd-snapshot-compress') } : {}),
    ...(asked.retention === undefined && values.given('etcd-snapshot-retention')
      ? { retention: values.int('etcd-snapshot-retention') }
      : {}),
    ...(s3 ? { s3 } : {}),
  })
  const slow = asked.operation === 'save' || asked.operation === 'verify'
  try {
    const log = { warn: (_: object, message: string) => logLine(host, 'warning', message) }
    const server = await accessServer(urlOf(values), await tokenOf(values), { user: 'server', log })
    const answer = await server.ask(path, {
      method: 'POST',
      body,
      headers: { 'Content-Type': 'application/json' },
      timeoutMs: (slow ? slowMs : quickMs) + timeoutMs,
    })
    if (answer.status < 200 || answer.status > 299) {
      const { message } = new AnswerError(`${server.url}${path}`, answer)
      throw new ConfigError(`see server log for details: ${message}`)
    }
    return JSON.parse(answer.body.toString())
  } catch (error) {
    throw error instanceof ConfigError ? error : new ConfigError(`${(error as Error).message}${advice(error)}`)
  }
}

/** Most often the server was stopped, before or meanwhile; a snapshot needs it to run. */
function advice(error: unknown): string {
  const causes = (each: unknown): string[] =>
    each ? [(each as NodeJS.ErrnoException).code ?? '', ...causes((each as Error).cause)] : []
  const codes = causes(error)
  if (codes.includes('ECONNREFUSED')) return ': the server has to run; --etcd-server says where it does'
  return codes.includes('ECONNRESET') ? ': the server ended before it had answered, see its log' : ''
}

/** With the field names of K3s' config.EtcdS3. */
function s3Of(values: FlagValues): { readonly s3?: object; readonly timeoutMs: number } {
  const config = s3Config(values)
  if (!config) return { timeoutMs: 0 }
  const { timeoutMs, ...s3 } = config
  return { s3: { ...s3, timeout: formatDuration(timeoutMs) }, timeoutMs }
}

function urlOf(values: FlagValues): string {
  return values.string('etcd-server') ?? `https://127.0.0.1:${values.int('https-listen-port') ?? 6443}`
}

async function tokenOf(values: FlagValues): Promise<string> {
  const given = values.string('etcd-token')
  if (given !== undefined) return given
  const file = join(values.string('data-dir')!, 'server/token')
  try {
    return (await readFile(file, 'utf8')).trim()
  } catch (error) {
    throw new ConfigError(
      `cannot read the server's token: ${(error as Error).message}: give it with --etcd-token, or the server's --data-dir`,
    )
  }
}
