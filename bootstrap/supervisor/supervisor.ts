/** K3s' own surface on the API's port, for nodes and servers that join. It answers before the API does. */
import { join } from 'node:path'
import { StatusError } from '../api/errors.ts'
import type { AssembledServer } from '../apiserver/assemble.ts'
import type { UserInfo } from '../apiserver/auth/user.ts'
import type { ApiRequest, ApiResponse } from '../apiserver/http/message.ts'
import type { Route } from '../apiserver/server.ts'
import type { Client } from '../client/client.ts'
import type { Clock } from '../client/clock.ts'
import type { TokenKeeper } from '../cluster/tokens.ts'
import type { ControlConfig } from '../join/control-config.ts'
import type { Logger } from '../log.ts'
import type { Pki } from '../pki/pki.ts'
import { accessOf } from './access.ts'
import { agentEndpoints } from './agent-routes.ts'
import type { AnsweredRoutes } from './answered.ts'
import { refuse, refuseHiding } from './answers.ts'
import type { Endpoint } from './endpoint.ts'
import { agentLimits, inFlight } from './in-flight.ts'
import { nodeCheck } from './node-password/check.ts'
import { firstOf, openRoutes } from './open-routes.ts'
import { serverEndpoints } from './server-routes.ts'
import { staticFiles } from './static-files.ts'

/** What the supervisor needs of the API server, which is made after it. */
export type Core = Pick<AssembledServer, 'authenticator' | 'reader' | 'server' | 'client'>

export interface SupervisorParts {
  readonly dataDir: string
  readonly pki: Pick<Pki, 'issue' | 'clientCa' | 'serverCa'>
  readonly control: () => ControlConfig
  readonly tokens: TokenKeeper
  /** The cluster's secrets as JSON, for servers that join; undefined where they find them in the datastore. */
  readonly bundle: (() => Promise<string>) | undefined
  /** The members of the embedded etcd; undefined without one. */
  readonly members: (() => Promise<object>) | undefined
  readonly answered: AnsweredRoutes
  /** Undefined as long as there is none. */
  readonly core: () => Core | undefined
  readonly clock: Clock
  readonly random: () => number
  readonly log: Logger
  readonly signal: AbortSignal
}

/** The routes; the first ones of them need no credentials. */
export function supervisorRoutes(parts: SupervisorParts): Route {
  const { log, random, pki, dataDir, control } = parts
  const client = (): Client | undefined => {
    const core = parts.core()
    return core?.server.ready ? core.client().as('system:k3s-supervisor', ['system:masters']) : undefined
  }
  const checkNode = nodeCheck({
    client,
    nodeExists: name => parts.core()?.reader.get('', 'nodes', '', name) !== undefined,
    clock: parts.clock,
    log,
    signal: parts.signal,
  })
  const endpoints = new Map([
    ...agentEndpoints({ dataDir, pki, control, client, checkNode, log, random }),
    ...serverEndpoints(parts),
  ])
  const limited = inFlight(agentLimits)
  return firstOf(openRoutes(pki.serverCa.cert), staticFiles(join(dataDir, 'server/static')), request => {
    const endpoint = endpoints.get(request.path)
    if (!endpoint) return undefined
    return answer(request, endpoint, parts.core(), limited).catch(error =>
      error instanceof StatusError
        ? refuse(request, error.code, error.message)
        : refuseHiding(request, 500, 'supervisor', error, { log, random }),
    )
  })
}

async function answer(
  request: ApiRequest,
  endpoint: Endpoint,
  core: Core | undefined,
  limited: ReturnType<typeof inFlight>,
): Promise<ApiResponse> {
  if (!core) return refuse(request, 503, 'starting')
  if (endpoint.local && isLocal(request)) return await endpoint.answer(request, localUser)
  const access = await accessOf(request, core.authenticator, endpoint.groups)
  if (!access.allowed) return refuse(request, access.code, access.message)
  const work = async () => endpoint.answer(request, access.user)
  return endpoint.limited ? await limited(request, work) : await work()
}

const localUser: UserInfo = { name: '', uid: '', groups: [], extra: {} }

const isLocal = ({ remoteAddress }: ApiRequest) => ['127.0.0.1', '::1', '::ffff:127.0.0.1'].includes(remoteAddress)
