/** `skiff token rotate`: another token for the servers, and for the agents that have none of their own. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { ConfigError, type FlagValues } from '../../config/parse.ts'
import { AnswerError, accessServer } from '../../join/server-access.ts'
import { serverPassword } from '../../pki/token.ts'

const warning =
  '\u001b[33mWARNING\u001b[0m: Recommended to keep a record of the old token. If restoring from a snapshot, you must use the token associated with that snapshot.\n'
/** What the other servers of an etcd need to see the change. */
const propagationMs = 1000

export async function rotateToken(values: FlagValues, host: NodeJS.Process): Promise<void> {
  host.title = 'skiff token'
  host.stdout.write(warning)
  const newToken = values.string('new-token') ?? ''
  try {
    if (newToken !== '') serverPassword(newToken)
    const token = values.string('token') ?? (await tokenOnDisk(values))
    const log = { warn: (_: object, message: string) => void host.stderr.write(`${message}\n`) }
    const server = await accessServer(values.string('server')!, token, { user: 'server', log })
    const path = '/v1-k3s/token'
    const body = JSON.stringify({ newToken })
    const answer = await server.ask(path, { method: 'PUT', body, headers: { 'Content-Type': 'application/json' } })
    if (answer.status < 200 || answer.status > 299) throw new AnswerError(`${server.url}${path}`, answer)
  } catch (error) {
    throw error instanceof ConfigError ? error : new ConfigError((error as Error).message)
  }
  await delay(propagationMs)
  host.stdout.write('Token rotated, restart k3s nodes with new token\n')
}

async function tokenOnDisk(values: FlagValues): Promise<string> {
  const path = join(values.string('data-dir')!, 'server/token')
  try {
    return (await readFile(path, 'utf8')).trim()
  } catch (error) {
    throw new ConfigError(`cannot read the existing token: ${(error as Error).message}: give it with --token`)
  }
}
