/** What a Job's container is asked to do: klipper-helm's arguments and environment, read once. */
import { parseDuration } from '../../../bootstrap/api/time.ts'
import type { FailurePolicy, ServerSide } from '../helm-chart.ts'
import type { Driver } from '../release/storage.ts'

export interface JobRequest {
  readonly action: 'install' | 'delete'
  readonly name: string
  readonly namespace: string
  readonly createNamespace: boolean
  readonly takeOwnership: boolean
  readonly chart: string
  readonly repo: string
  /** A version, a constraint, or empty for the newest. */
  readonly version: string
  readonly set: readonly string[]
  readonly setString: readonly string[]
  readonly driver: Driver
  readonly failurePolicy: FailurePolicy
  readonly serverSide: ServerSide
  readonly forceConflicts: boolean
  readonly timeoutMs: number | undefined
  /** Another last revision than this one means that the Job is out of date; undefined: any will do. */
  readonly expectedRevision: number | undefined
  /** A label of the release; empty for none. */
  readonly configHash: string
  readonly passCredentials: boolean
  readonly insecure: boolean
  readonly plainHttp: boolean
}

interface Environment {
  readonly [name: string]: string
}

/** Throws Error, one line, for what no HelmChart can lead to. */
export function parseRequest(args: readonly string[], env: Environment): JobRequest {
  const [action, ...flags] = args
  if (action !== 'install' && action !== 'delete')
    throw new Error(`unknown action ${JSON.stringify(action ?? '')}: want install or delete`)
  const { values, lists, switches } = parseFlags(flags)
  const name = required(env, 'NAME')
  return {
    action,
    name,
    namespace: values.get('--namespace') ?? (env.TARGET_NAMESPACE || required(env, 'CHART_NAMESPACE')),
    createNamespace: switches.has('--create-namespace'),
    takeOwnership: switches.has('--take-ownership'),
    chart: chartName(env.CHART ?? '', name, env),
    repo: env.REPO ?? '',
    version: values.get('--version') ?? env.VERSION ?? '',
    set: lists.get('--set') ?? [],
    setString: lists.get('--set-string') ?? [],
    driver: oneOf(env, 'HELM_DRIVER', ['secret', 'configmap']),
    failurePolicy: oneOf(env, 'FAILURE_POLICY', ['reinstall', 'abort', 'retry']),
    serverSide: oneOf(env, 'SERVER_SIDE', ['auto', 'true', 'false']),
    forceConflicts: env.FORCE_CONFLICTS === 'true',
    timeoutMs: timeout(env.TIMEOUT ?? ''),
    expectedRevision: env.EXPECTED_RELEASE_REVISION ? Number(env.EXPECTED_RELEASE_REVISION) : undefined,
    configHash: env.CONFIG_HASH ?? '',
    passCredentials: env.AUTH_PASS_CREDENTIALS === 'true',
    insecure: env.INSECURE_SKIP_TLS_VERIFY === 'true',
    plainHttp: env.PLAIN_HTTP === 'true',
  }
}

/** With a repository, the chart is named NAME/CHART, NAME standing for the repository; it may name our API's own address. */
function chartName(chart: string, name: string, env: Environment): string {
  const host = env.KUBERNETES_SERVICE_HOST ?? ''
  const api = `${host.includes(':') ? `[${host}]` : host}:${env.KUBERNETES_SERVICE_PORT ?? ''}`
  const plain = env.REPO && chart.startsWith(`${name}/`) ? chart.slice(name.length + 1) : chart
  return plain.replaceAll('%{KUBERNETES_API}%', api)
}

const valueFlags = ['--namespace', '--version'] as const
const listFlags = ['--set', '--set-string'] as const
const switchFlags = ['--create-namespace', '--take-ownership'] as const

function parseFlags(flags: readonly string[]) {
  const values = new Map<string, string>()
  const lists = new Map<string, string[]>()
  const switches = new Set<string>()
  const rest = [...flags]
  for (let flag = rest.shift(); flag !== undefined; flag = rest.shift()) {
    const known = (list: readonly string[]) => list.includes(flag!)
    if (known(switchFlags)) switches.add(flag)
    else if (known(valueFlags) || known(listFlags)) {
      const value = rest.shift()
      if (value === undefined) throw new Error(`${flag} wants a value`)
      if (known(valueFlags)) values.set(flag, value)
      else lists.set(flag, [...(lists.get(flag) ?? []), value])
    } else throw new Error(`unknown argument ${JSON.stringify(flag)}`)
  }
  return { values, lists, switches }
}

function required(env: Environment, name: string): string {
  const value = env[name]
  if (!value) throw new Error(`the environment lacks ${name}`)
  return value
}

/** The first choice is the default. */
function oneOf<const Choice extends string>(env: Environment, name: string, choices: readonly Choice[]): Choice {
  const value = env[name] || choices[0]
  const found = choices.find(choice => choice === value)
  if (found === undefined) throw new Error(`unknown ${name} ${JSON.stringify(value)}: want ${choices.join(', ')}`)
  return found
}

function timeout(text: string): number | undefined {
  if (text === '') return undefined
  const ms = parseDuration(text)
  if (ms === undefined || ms < 0) throw new Error(`TIMEOUT ${JSON.stringify(text)} is not a duration such as 5m0s`)
  return ms
}
