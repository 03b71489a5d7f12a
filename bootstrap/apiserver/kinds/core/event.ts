/** Event, in the stored form that v1 and events.k8s.io/v1 share. */
import { field } from '../../../api/errors.ts'
import { ageText } from '../../../api/time.ts'
import type { CoreV1Event as Event } from '../../../api/types.gen.ts'
import type { Errors } from '../common/build.ts'
import { column, strategy, wide } from '../common/build.ts'

/** The namespace events about cluster-scoped objects live in. */
const clusterNamespaces = new Set(['default', 'kube-system'])

function* validate(event: Event): Errors {
  const namespace = event.metadata?.namespace ?? ''
  const involved = event.involvedObject?.namespace ?? ''
  if (involved === '' ? !clusterNamespaces.has(namespace) : involved !== namespace) {
    yield field.invalid('involvedObject.namespace', involved, 'does not match event.namespace')
  }
  if (!event.eventTime) return
  if (!event.reportingComponent) yield field.required('reportingController')
  if (!event.reportingInstance) yield field.required('reportingInstance')
  if ((event.reportingInstance?.length ?? 0) > 128) {
    yield field.invalid('reportingInstance', '', 'can have at most 128 characters')
  }
  if (!event.action) yield field.required('action')
  if ((event.action?.length ?? 0) > 128) yield field.invalid('action', '', 'can have at most 128 characters')
  if (!event.reason) yield field.required('reason')
  if ((event.reason?.length ?? 0) > 128) yield field.invalid('reason', '', 'can have at most 128 characters')
  if ((event.message?.length ?? 0) > 1024) yield field.invalid('message', '', 'can have at most 1024 characters')
}

const firstSeen = (event: Event, now: number) => ageText(event.firstTimestamp || event.eventTime, now)

function lastSeen(event: Event, now: number): string {
  if (event.series) return ageText(event.series.lastObservedTime, now)
  return event.lastTimestamp ? ageText(event.lastTimestamp, now) : firstSeen(event, now)
}

function objectText({ involvedObject }: Event): string {
  const kind = (involvedObject?.kind ?? '').toLowerCase()
  return involvedObject?.name ? `${kind}/${involvedObject.name}` : kind
}

function sourceText({ source, reportingComponent, reportingInstance }: Event): string {
  const component = source?.component || reportingComponent || ''
  const host = source?.host || reportingInstance || ''
  return host ? `${component}, ${host}` : component
}

const referenceFields = ['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'] as const

function fields(event: Event): { [field: string]: string } {
  const found: { [field: string]: string } = {
    reason: event.reason ?? '',
    reportingComponent: event.reportingComponent ?? '',
    reportingController: event.reportingComponent ?? '',
    source: event.source?.component || event.reportingComponent || '',
    type: event.type ?? '',
  }
  for (const name of referenceFields) {
    found[`involvedObject.${name}`] = found[`regarding.${name}`] = event.involvedObject?.[name] ?? ''
  }
  return found
}

export const event = strategy<Event>({
  allowCreateOnUpdate: true,
  validate,
  fieldNames: [
    ...referenceFields.flatMap(name => [`involvedObject.${name}`, `regarding.${name}`]),
    'reason',
    'reportingComponent',
    'reportingController',
    'source',
    'type',
  ],
  fields,
  columns: [
    column('Last Seen', lastSeen),
    column('Type', object => object.type),
    column('Reason', object => object.reason),
    column('Object', objectText),
    wide('Subobject', object => object.involvedObject?.fieldPath),
    wide('Source', sourceText),
    column('Message', object => object.message?.trim()),
    wide('First Seen', firstSeen),
    wide('Count', object => object.series?.count ?? (object.count || 1), 'integer'),
    { ...wide<Event>('Name', object => object.metadata?.name), format: 'name' },
  ],
})
