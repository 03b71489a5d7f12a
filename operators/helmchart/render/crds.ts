/** The crds/ folders of a chart and its subcharts: applied as they are, never rendered. */
import type { KubeObject } from '../../../bootstrap/api/object.ts'
import type { Chart } from '../chart/chart.ts'
import { isObject } from '../chart/decode.ts'
import { resolveDependencies } from '../chart/dependencies.ts'
import { copyTable } from '../chart/tables.ts'
import { readYaml } from '../yaml/unmarshal.ts'
import { splitDocuments } from './documents.ts'
import type { Manifest, RenderRequest } from './rendered.ts'

/** The chart's CRDs under these values, known without rendering a template: what is installed before anything else. */
export function crdManifests({ chart, values }: Pick<RenderRequest, 'chart' | 'values'>): Manifest[] {
  return crdsOf(resolveDependencies(chart, copyTable(values), () => undefined))
}

/** The chart's own first, in order of the files. Throws Error when a file is no YAML. */
export function crdsOf(chart: Chart, path = chart.metadata.name): Manifest[] {
  const own = chart.files
    .filter(({ name }) => name.startsWith('crds/') && /\.(ya?ml|json)$/i.test(name))
    .flatMap(({ name, data }) => documentsOf(`${path}/${name}`, new TextDecoder().decode(data)))
  return [...own, ...chart.dependencies.flatMap(sub => crdsOf(sub, `${path}/charts/${sub.metadata.name}`))]
}

function documentsOf(source: string, content: string): Manifest[] {
  return splitDocuments(content).flatMap(text => {
    const value = parse(source, text)
    return isObject(value) ? [{ source, text, object: value as unknown as KubeObject }] : []
  })
}

function parse(source: string, text: string): unknown {
  try {
    return readYaml(text)
  } catch (error) {
    throw new Error(`failed to install CRD ${source}: error parsing : ${(error as Error).message}`, { cause: error })
  }
}
