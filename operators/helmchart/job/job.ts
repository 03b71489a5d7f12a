/** Runs a Job: looks at the release, decides, and does it with the release engine, speaking as klipper-helm and helm do. */
import type { Chart, JsonObject } from '../chart/chart.ts'
import { userValues } from '../chart/values.ts'
import { configHashKey } from '../helm-chart.ts'
import type { DeployOptions, Release, ReleaseActions } from '../release/release.ts'
import { decide, type LastRevision, type Step } from './decision.ts'
import type { NamedText } from './files.ts'
import { summary } from './output.ts'
import type { JobRequest } from './request.ts'

export interface JobDeps {
  readonly actions: ReleaseActions
  readonly values: readonly NamedText[]
  readonly chart: () => Promise<Chart>
  readonly stdout: (text: string) => void
  readonly stderr: (text: string) => void
  /** Adds a line to the termination message. */
  readonly conclude: (line: string) => void
}

/** Resolves with the exit code. */
export async function runJob(request: JobRequest, deps: JobDeps): Promise<number> {
  const decision = decide(request, lastRevision(await deps.actions.history(request.name, request.namespace)))
  if (decision.kind === 'stop') {
    deps.stdout(`${decision.saying}\n`)
    deps.conclude(decision.saying)
    return decision.exitCode
  }
  for (const step of decision.steps) {
    const problem = await attempt(step, request, deps)
    if (problem === undefined) continue
    deps.stderr(`Error: ${problem}\n`)
    deps.conclude(`Error: ${problem}`.split('\n', 1)[0]!)
    return 1
  }
  return 0
}

function lastRevision(history: readonly Release[]): LastRevision | undefined {
  const last = history.at(-1)
  return last && { status: last.info.status, revision: last.version, configHash: last.labels?.[configHashKey] ?? '' }
}

/** What went wrong, in helm's words; undefined when nothing did. */
async function attempt(step: Step, request: JobRequest, deps: JobDeps): Promise<string | undefined> {
  try {
    await perform(step, request, deps)
    return undefined
  } catch (error) {
    const message = (error as Error).message
    if (step.kind === 'install') return `INSTALLATION FAILED: ${message}`
    return step.kind === 'upgrade' ? `UPGRADE FAILED: ${message}` : message
  }
}

async function perform(step: Step, request: JobRequest, deps: JobDeps): Promise<void> {
  const { name, namespace } = request
  const { actions, stdout, conclude } = deps
  switch (step.kind) {
    case 'mark-failed':
      stdout(`Previous helm job was interrupted, updating status from ${step.from} to failed\n`)
      conclude(`Resetting helm release status from '${step.from}' to 'failed'`)
      return actions.setStatus(name, namespace, 'failed')
    case 'uninstall':
      conclude(step.saying)
      return uninstall(step.strict, request, deps)
    case 'install': {
      conclude('Installing helm chart')
      const { createNamespace } = request
      stdout(summary(await actions.install({ ...(await deployment(request, deps)), createNamespace })))
      return
    }
    case 'upgrade': {
      conclude(step.saying)
      stdout(`Upgrading ${name}\n`)
      // The values are those of the HelmChart, and none when it has none any more.
      const release = await actions.upgrade({ ...(await deployment(request, deps)), resetValues: true, maxHistory })
      stdout(`Release "${name}" has been upgraded. Happy Helming!\n${summary(release)}`)
      return
    }
  }
}

const maxHistory = 10

/** Who asked to delete is not helped by an error: the operator looks whether the release is gone. */
async function uninstall(strict: boolean, request: JobRequest, { actions, stdout, stderr }: JobDeps): Promise<void> {
  const { name, namespace } = request
  try {
    await actions.uninstall({ name, namespace, wait: true })
    stdout(`release "${name}" uninstalled\n`)
  } catch (error) {
    if (strict) throw error
    stderr(`Error: ${(error as Error).message}\n`)
  }
}

async function deployment(request: JobRequest, deps: JobDeps): Promise<DeployOptions> {
  const { name, namespace, timeoutMs, takeOwnership, serverSide, configHash } = request
  return {
    name,
    namespace,
    chart: await deps.chart(),
    values: valuesOf(request, deps.values),
    takeOwnership,
    serverSide,
    // Without server-side apply there are no conflicts to force.
    forceConflicts: request.forceConflicts && serverSide !== 'false',
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(configHash === '' ? {} : { labels: { [configHashKey]: configHash } }),
  }
}

function valuesOf({ set, setString }: JobRequest, files: readonly NamedText[]): JsonObject {
  return userValues({ files, set, setString })
}
