/** Runs a case: by the real Helm, and by this renderer in Helm's form of output. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadDirectory } from '../../chart/directory.ts'
import { validateValues } from '../../chart/schema/validate.ts'
import { userValues } from '../../chart/values.ts'
import { render } from '../render.ts'
import type { Lookup, RenderOutcome, RenderRequest } from '../rendered.ts'
import type { Case } from './cases.ts'

const charts = join(import.meta.dirname, 'testdata/charts')
const program = join(import.meta.dirname, '../../../../.tools/test/helm4/helm')

export const hasHelm = existsSync(program)

const kubeVersion = 'v1.35.0'
/** Some of what Helm takes for granted without a cluster; the charts ask for these only. */
const knownApis = 'v1 apps/v1 batch/v1 policy/v1 node.k8s.io/v1 events.k8s.io/v1 storage.k8s.io/v1 autoscaling/v2'
  .concat(' networking.k8s.io/v1 scheduling.k8s.io/v1 coordination.k8s.io/v1 discovery.k8s.io/v1')
  .split(' ')

/** `helm template rel CHART ...`: what is printed, or the error as one line with its further lines. */
export function helmTemplate(given: Case): string {
  const file = join(tmpdir(), `helm-case-${process.pid}.yaml`)
  writeFileSync(file, given.file ?? '')
  const result = spawnSync(program, ['template', 'rel', given.chart, ...flags(given, file)], {
    cwd: charts,
    encoding: 'utf8',
  })
  rmSync(file)
  if (result.status === 0) return result.stdout
  const error = result.stderr.replace(/^(?:level=|time=|\d{4}\/).*\n/gm, '').replace(/\n\nUse --debug flag.*\n$/, '\n')
  return error.replaceAll(file, 'values.yaml')
}

function flags(
  { values = {}, file, upgrade, kubeVersion: kube, apiVersions, namespace }: Case,
  path: string,
): string[] {
  const each = (flag: string, list: readonly string[] = []) => list.flatMap(item => [flag, item])
  return [
    ...(file === undefined ? [] : ['-f', path]),
    ...each('--set-json', values.setJson),
    ...each('--set', values.set),
    ...each('--set-string', values.setString),
    ...each('--set-literal', values.setLiteral),
    ...each('--api-versions', apiVersions),
    ...(upgrade ? ['--is-upgrade'] : []),
    ...(kube === undefined ? [] : ['--kube-version', kube]),
    ...(namespace === undefined ? [] : ['-n', namespace]),
  ]
}

/** The same by this renderer. */
export function ourTemplate(given: Case): string {
  try {
    const outcome = renderCase(requestOf(given))
    if (outcome.kind !== 'rendered') throw new Error('the chart looks something up')
    const { manifest, hooks } = outcome.rendered
    return `${manifest.trim()}\n${hooks.map(({ source, text }) => `---\n# Source: ${source}\n${text}\n`).join('')}`
  } catch (error) {
    return `Error: ${(error as Error).message}\n`
  }
}

export function requestOf(given: Case): RenderRequest {
  const files = given.file === undefined ? [] : [{ name: 'values.yaml', text: given.file }]
  const values = userValues({ ...given.values, files })
  return {
    chart: loadDirectory(join(charts, given.chart)),
    values,
    release: {
      name: 'rel',
      namespace: given.namespace ?? 'default',
      revision: 1,
      isInstall: !given.upgrade,
      isUpgrade: given.upgrade ?? false,
    },
    capabilities: {
      kubeVersion: given.kubeVersion ?? kubeVersion,
      apiVersions: [...knownApis, ...(given.apiVersions ?? [])],
    },
  }
}

export function renderCase(
  request: RenderRequest,
  lookup: Lookup = () => null,
  warn: (message: string) => void = () => undefined,
): RenderOutcome {
  return render(request, lookup, {
    now: () => 0,
    randomBytes: count => new Uint8Array(count),
    warn,
    validate: validateValues,
  })
}

export function goldenFile(name: string): string {
  return join(import.meta.dirname, 'testdata/golden', `${name}.txt`)
}

export function readGolden(name: string): string {
  return readFileSync(goldenFile(name), 'utf8')
}

/** Go walks maps in any order, so a schema's complaints come in any; the first lines stay where they are. */
export function comparable(output: string): string {
  if (!output.startsWith("Error: values don't meet")) return output
  const [first, ...rest] = output.trimEnd().split('\n')
  return [first, ...rest.filter(line => line !== '').sort()].join('\n')
}
