/** Charts for tests of the release engine: their "templates" are functions that write YAML, so no renderer is needed. */
import type { KubeObject } from '../../../../bootstrap/api/object.ts'
import { parseYaml } from '../../../../bootstrap/api/yaml.ts'
import type { Chart, JsonObject } from '../../chart/chart.ts'
import type { HookDeletePolicy, HookEvent, Manifest, Rendered, RenderRequest } from '../../render/rendered.ts'
import type { EngineOptions } from '../context.ts'

const order = [
  'Namespace',
  'ServiceAccount',
  'Secret',
  'ConfigMap',
  'Role',
  'Service',
  'Pod',
  'Deployment',
  'StatefulSet',
  'Job',
]

/** A chart that `renderCharts` renders; `write` makes its documents from the request. */
export interface TestChart extends Chart {
  readonly write: (request: RenderRequest) => readonly string[]
}

export function chart(name: string, write: TestChart['write'], crds: readonly string[] = []): TestChart {
  return {
    metadata: { name, version: '0.1.0', apiVersion: 'v2', appVersion: '1.0' },
    values: { color: 'blue' },
    templates: [{ name: 'templates/all.yaml', data: Buffer.from('# written by a function\n') }],
    files: crds.map((text, index) => ({ name: `crds/${index}.yaml`, data: Buffer.from(text) })),
    dependencies: [],
    write,
  }
}

/** The `render` of an engine for charts made here. */
export const renderCharts: EngineOptions['render'] = async request => ({
  kind: 'rendered',
  rendered: rendered(request, (request.chart as TestChart).write(request)),
})

export function rendered({ chart: { metadata, files } }: RenderRequest, documents: readonly string[]): Rendered {
  const manifests = documents.map((text, index) => manifestOf(`${metadata.name}/templates/${index}.yaml`, text))
  const place = ({ object }: Manifest) => (order.indexOf(object.kind) + 100) % 100
  const isHook = ({ object }: Manifest) => object.metadata?.annotations?.['helm.sh/hook'] !== undefined
  const plain = manifests.filter(manifest => !isHook(manifest)).sort((a, b) => place(a) - place(b))
  return {
    manifests: plain,
    hooks: manifests
      .filter(isHook)
      .sort((a, b) => place(a) - place(b))
      .map(manifest => {
        const list = (key: string) => (manifest.object.metadata?.annotations?.[key] ?? '').split(',').filter(Boolean)
        return {
          ...manifest,
          events: list('helm.sh/hook') as HookEvent[],
          weight: Number(list('helm.sh/hook-weight')[0] ?? 0),
          deletePolicies: list('helm.sh/hook-delete-policy') as HookDeletePolicy[],
          outputLogPolicies: list('helm.sh/hook-output-log-policy') as 'hook-failed'[],
        }
      }),
    crds: files
      .filter(({ name }) => name.startsWith('crds/'))
      .map(({ name, data }) => manifestOf(`${metadata.name}/${name}`, Buffer.from(data).toString())),
    notes: `Thank you for ${metadata.name}.\n`,
    manifest: plain.map(({ source, text }) => `---\n# Source: ${source}\n${text}\n`).join(''),
  }
}

function manifestOf(source: string, text: string): Manifest {
  return { source, text: text.trim(), object: parseYaml(text) as KubeObject }
}

/** YAML of an object; JSON is YAML. */
export const yaml = (object: object) => JSON.stringify(object)

export function configMap(name: string, data: JsonObject, metadata: object = {}): string {
  return yaml({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, ...metadata }, data })
}

export function hook(name: string, events: string, annotations: { [key: string]: string } = {}): string {
  return configMap(name, { is: 'a hook' }, { annotations: { 'helm.sh/hook': events, ...annotations } })
}

/** A definition of the kind Gadget in the group `group`. */
export function gadgets(group: string): string {
  const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } }
  return yaml({
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `gadgets.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { plural: 'gadgets', singular: 'gadget', kind: 'Gadget', listKind: 'GadgetList' },
      versions: [{ name: 'v1', served: true, storage: true, schema, subresources: { status: {} } }],
    },
  })
}

/** A chart that renders to the same documents whatever its values are. */
export const fixed = (...documents: readonly string[]) => chart('app', () => documents)

/** ConfigMaps that tell the values and the revision. */
export const webChart = chart('web', ({ values, release }) => [
  configMap('settings', { color: String(values.color ?? 'none'), revision: String(release.revision) }),
  ...(values.extra ? [configMap('extra', { is: 'extra' })] : []),
])

/** A Deployment "web". */
export const deployment = yaml({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web' },
  spec: {
    selector: { matchLabels: { app: 'web' } },
    template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'web', image: 'web' }] } },
  },
})
/** A Job; hooks have annotations. */
export const job = (name: string, annotations: object = {}) =>
  yaml({
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name, annotations },
    spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'a', image: 'a' }] } } },
  })
export const gadget = (group: string, spec: object = {}) =>
  yaml({ apiVersion: `${group}/v1`, kind: 'Gadget', metadata: { name: 'gadget' }, spec })
