/** Renders a chart for a release, answering the templates' lookups through the API until none is left. */
import { ignoreNotFound } from '../../../bootstrap/api/errors.ts'
import { apiVersionOf, type KubeObject } from '../../../bootstrap/api/object.ts'
import type { JsonObject } from '../chart/chart.ts'
import type { HookManifest, LookupQuery, Rendered, RenderRequest } from '../render/rendered.ts'
import { type Context, checkAborted } from './context.ts'
import { flatten } from './objects.ts'
import type { ReleaseHook } from './release.ts'

/** Rejects with what the renderer rejects with. */
export async function renderRelease(context: Context, request: RenderRequest): Promise<Rendered> {
  const answers = new Map<string, JsonObject | null>()
  const lookup = (query: LookupQuery) => answers.get(keyOf(query))
  for (;;) {
    checkAborted(context.signal)
    const outcome = await context.render(request, lookup)
    if (outcome.kind === 'rendered') return outcome.rendered
    const open = outcome.queries.filter(query => !answers.has(keyOf(query)))
    if (open.length === 0) throw new Error('the templates ask for the same objects without end')
    await Promise.all(open.map(async query => answers.set(keyOf(query), await answer(context, query))))
  }
}

const keyOf = ({ apiVersion, kind, namespace, name }: LookupQuery) =>
  JSON.stringify([apiVersion, kind, namespace, name])

/** What `lookup` finds; null for what does not exist, and for kinds the server does not serve. */
async function answer({ client, cluster }: Context, query: LookupQuery): Promise<JsonObject | null> {
  const { apiVersion, kind, name } = query
  const resource = await cluster.resourceOf(apiVersion, kind)
  if (!resource) return null
  const scope = resource.namespaced && query.namespace !== '' ? { namespace: query.namespace } : {}
  if (name !== '') return asJson(await client.get(resource, { name, ...scope }).catch(ignoreNotFound))
  const list = await client.list(resource, scope)
  return asJson({
    apiVersion: apiVersionOf(resource),
    kind: `${kind}List`,
    metadata: { resourceVersion: list.resourceVersion },
    items: list.items,
  })
}

const asJson = (object: object | undefined) => (object ?? null) as JsonObject | null

/** The hooks of a rendered chart as a release stores them. */
export function releaseHooks(hooks: readonly HookManifest[]): ReleaseHook[] {
  return hooks.map(({ object, source, text, events, weight, deletePolicies, outputLogPolicies }) => ({
    name: object.metadata?.name ?? '',
    kind: object.kind,
    path: source,
    manifest: text,
    events,
    last_run: { started_at: '', completed_at: '', phase: '' },
    weight,
    delete_policies: deletePolicies,
    output_log_policies: outputLogPolicies,
  }))
}

/** The objects a chart renders to, parsed by the renderer already. */
export function renderedObjects({ manifests }: Rendered): KubeObject[] {
  return manifests.flatMap(({ object }) => (typeof object === 'object' && object !== null ? flatten(object) : []))
}
