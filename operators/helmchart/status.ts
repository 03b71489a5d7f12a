/** The states a HelmChart's status can show, in K3s' words. */
import { type HelmChart, type HelmChartCondition, type HelmChartStatus, jobName } from './helm-chart.ts'

const notCreated: HelmChartCondition = { type: 'JobCreated', status: 'False' }

function created(chart: HelmChart): HelmChartCondition {
  const message = `Applying HelmChart using Job ${chart.metadata.namespace}/${jobName(chart, 'install')}`
  return { type: 'JobCreated', status: 'True', reason: 'Job created', message }
}

export function applying(chart: HelmChart): HelmChartStatus {
  const conditions = [created(chart), { type: 'Failed', status: 'False' } as const]
  return { jobName: jobName(chart, 'install'), conditions }
}

export function jobFailed(chart: HelmChart, message: string): HelmChartStatus {
  const failed = { type: 'Failed', status: 'True', reason: 'Job failed', message } as const
  return { ...chart.status, conditions: [created(chart), failed] }
}

export function createFailed(chart: HelmChart, why: string): HelmChartStatus {
  const message = `Failed to generate Job: ${why}`
  const failed = { type: 'Failed', status: 'True', reason: 'Job create failed', message } as const
  return { ...chart.status, conditions: [notCreated, failed] }
}

export function unsupportedVersion(chart: HelmChart): HelmChartStatus {
  const message = 'Only Helm v3 charts are supported'
  const failed = { type: 'Failed', status: 'True', reason: 'Unsupported version', message } as const
  return { ...chart.status, conditions: [notCreated, failed] }
}
