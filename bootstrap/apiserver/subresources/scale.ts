/** <resource>/scale: the replica count of a workload as an autoscaling/v1 Scale. */
import { errors, failure, field } from '../../api/errors.ts'
import type { KubeObject } from '../../api/object.ts'
import type { Mutable, Scale } from '../kinds/kind.ts'
import type { WriteOptions, Written } from '../verbs/call.ts'
import { copyOf } from '../verbs/copy.ts'
import { decodeObject, decodePatched } from '../verbs/decode.ts'
import { applied } from '../verbs/ownership.ts'
import type { Patch } from '../verbs/patch.ts'
import { patchDocument } from '../verbs/patch.ts'
import type { UpdateProfile } from '../verbs/profiles.ts'
import { mainProfile } from '../verbs/profiles.ts'
import { getObject } from '../verbs/read.ts'
import type { Change, UpdateRules } from '../verbs/update.ts'
import { changeObject } from '../verbs/update.ts'
import type { Answer, ObjectSubresource, SubresourceContext } from './object.ts'

/** The parent is written as a whole; that only the count differs is for the caller to see to. */
const scaleProfile: UpdateProfile = { ...mainProfile, subresource: 'scale' }

export const scale: ObjectSubresource = {
  async get(context) {
    return scaleOf(context, (await getObject(context.verbs, context.call)).object)
  },
  async update(context, body, options) {
    checkScale(context, body)
    return await change(context, options, live => withReplicas(context, live, body))
  },
  async patch(context, patch, options) {
    if (patch.type === 'apply') return await apply(context, patch, options)
    return await change(context, options, live => {
      const current = scaleOf(context, live)
      const document = patchDocument(current, patch, context.kind.schema)
      const { fieldValidation } = options
      const body = decodePatched(
        context.kind,
        document,
        patch.value,
        patch.duplicates,
        fieldValidation,
        context.call.warn,
      )
      checkScale(context, body)
      return withReplicas(context, live, body)
    })
  },
}

async function change(
  context: SubresourceContext,
  options: WriteOptions,
  compute: Change,
  rules: Partial<UpdateRules> = {},
): Promise<Answer> {
  const all = { profile: scaleProfile, unconditional: true, ...rules }
  const written: Written = await changeObject(context.verbs, context.call, options, compute, all)
  return { status: 200, object: scaleOf(context, written.object) }
}

/** The Scale configuration applied as one of the parent that has nothing but the count. */
async function apply(context: SubresourceContext, patch: Patch, options: WriteOptions): Promise<Answer> {
  const { verbs, call, kind } = context
  const document = { value: patch.value, duplicates: patch.duplicates, summary: '' }
  const body = decodeObject(kind, document, options.fieldValidation, call.warn)
  checkScale(context, body)
  const compute = (live: KubeObject) => {
    const configuration: Mutable = {
      apiVersion: live.apiVersion,
      kind: live.kind,
      metadata: { name: call.name, ...(call.kind.namespaced ? { namespace: call.namespace } : {}) },
    }
    setPath(configuration, rulesOf(context).specReplicas, replicasOf(body))
    return applied(verbs, call, options, live, configuration)
  }
  return await change(context, options, compute, { owned: true })
}

function withReplicas(context: SubresourceContext, live: KubeObject, body: Mutable): Mutable {
  const draft = copyOf(live)
  setPath(draft, rulesOf(context).specReplicas, replicasOf(body))
  const { resourceVersion, uid } = body.metadata
  if (resourceVersion) draft.metadata.resourceVersion = resourceVersion
  if (uid) draft.metadata.uid = uid
  return draft
}

function scaleOf(context: SubresourceContext, object: KubeObject): KubeObject {
  const { specReplicas, statusReplicas, selector } = rulesOf(context)
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata
  const replicas = getPath(object, specReplicas)
  if (typeof replicas !== 'number' && context.call.kind.custom) {
    throw errors.internal(`the spec replicas field ".${specReplicas.replace(/^\./, '')}" does not exist`)
  }
  const text = selector(object)
  const current = getPath(object, statusReplicas)
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      uid,
      resourceVersion,
      creationTimestamp,
    },
    spec: typeof replicas === 'number' ? { replicas } : {},
    status: { replicas: typeof current === 'number' ? current : 0, ...(text === '' ? {} : { selector: text }) },
  }
}

function rulesOf({ call }: SubresourceContext): Scale {
  const { scale: rules } = call.kind.strategy
  if (!rules) throw failure(404, 'NotFound', 'the server could not find the requested resource', {})
  return rules
}

function checkScale({ call }: SubresourceContext, body: Mutable): void {
  const replicas = replicasOf(body)
  if (replicas >= 0) return
  throw errors.invalid({ group: 'autoscaling', kind: 'Scale' }, call.name, [
    field.invalid('spec.replicas', replicas, 'must be greater than or equal to 0'),
  ])
}

function replicasOf(body: Mutable): number {
  return (body.spec as { replicas?: number } | undefined)?.replicas ?? 0
}

const stepsOf = (path: string) => path.replace(/^\./, '').split('.')

function getPath(object: object, path: string): unknown {
  let value: unknown = object
  for (const step of stepsOf(path)) value = (value as { [field: string]: unknown } | undefined)?.[step]
  return value
}

function setPath(object: object, path: string, value: unknown): void {
  const steps = stepsOf(path)
  let target = object as { [field: string]: unknown }
  for (const step of steps.slice(0, -1)) target = (target[step] ??= {}) as { [field: string]: unknown }
  target[steps.at(-1)!] = value
}
