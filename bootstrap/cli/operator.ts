/** `skiff operator NAME`: one part of userland alone, against any cluster. */
import { homedir, hostname } from 'node:os'
import { findKubeconfig } from '../client/default-kubeconfig.ts'
import { remoteClient } from '../client/remote.ts'
import { stayUntil } from '../client/stay.ts'
import { operatorFlags } from '../config/flags.ts'
import { commandHelp } from '../config/help.ts'
import { ConfigError, type FlagValues, parseFlags } from '../config/parse.ts'
import { serverConfig, thisMachine } from '../config/server-config.ts'
import { createLogger } from '../log.ts'
import { Metrics } from '../metrics.ts'
import { selfSigned } from '../pki/self-signed.ts'
import type { Userland } from '../userland.ts'
import { homeOf } from './home.ts'
import type { LoadUserland } from './main.ts'

const summary = 'Run one operator alone, against any cluster'

export async function runOperator(args: readonly string[], host: NodeJS.Process, load: LoadUserland): Promise<number> {
  const [name, ...rest] = args
  const userland = await load()
  if (name === undefined || name.startsWith('-')) {
    host.stdout.write(`${commandHelp('operator NAME', summary, operatorFlags)}\nNAME:\n   ${namesOf(userland)}\n`)
    return name === undefined || name === '-h' || name === '--help' ? 0 : 1
  }
  if (!userland.parts.includes(name)) throw new ConfigError(`there is no operator "${name}": want ${namesOf(userland)}`)
  const split = rest.indexOf('--')
  const [own, moduleArgs] = split < 0 ? [rest, []] : [rest.slice(0, split), rest.slice(split + 1)]
  const values = parseFlags(operatorFlags, [], own, host.env)
  const { remote } = await connection(values, host)

  const log = createLogger({ debug: values.bool('debug'), stream: host.stderr, pretty: host.stderr.isTTY })
  const stopAsked = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) host.once(signal, () => stopAsked.abort())
  stayUntil(stopAsked.signal)
  const client = remoteClient({ ...remote, userAgent: `skiff-operator-${name}` })
  const config = { ...serverConfig(values, thisMachine()), token: undefined, agentToken: undefined }
  await userland.runAlone(
    {
      config,
      client,
      caPem: remote.ca === undefined ? '' : String(remote.ca),
      home: homeOf(host),
      log: log.child({ component: name }),
      metrics: new Metrics(),
      signal: stopAsked.signal,
    },
    {
      name,
      moduleArgs,
      certificate: names => selfSigned(names, Date.now()),
      ...(values.bool('leader-elect') ? { identity: `${hostname()}_${host.pid}` } : {}),
      leaseNamespace: values.string('lease-namespace')!,
    },
  )
  client.close()
  return 0
}

async function connection(values: FlagValues, host: NodeJS.Process) {
  const explicit = values.string('kubeconfig')
  try {
    return await findKubeconfig({ env: host.env, home: homedir() }, explicit, values.string('context'))
  } catch (error) {
    throw new ConfigError((error as Error).message)
  }
}

function namesOf({ parts }: Userland): string {
  return [...parts].sort().join(', ')
}
