/** ComponentStatus. */
import type { ComponentStatus } from '../../../api/types.gen.ts'
import { column, nameColumn, strategy } from '../common/build.ts'

function health({ conditions }: ComponentStatus) {
  return conditions?.find(condition => condition.type === 'Healthy')
}

function statusText(component: ComponentStatus): string {
  const status = health(component)?.status
  return status === 'True' ? 'Healthy' : status === 'False' ? 'Unhealthy' : 'Unknown'
}

export const componentStatus = strategy<ComponentStatus>({
  columns: [
    nameColumn,
    column('Status', statusText),
    column('Message', object => health(object)?.message ?? ''),
    column('Error', object => health(object)?.error ?? ''),
  ],
})
