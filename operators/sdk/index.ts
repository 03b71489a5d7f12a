/** What `import Operator from 'skiff/operator'` gives. */
export type { OperatorLogger } from './logger.ts'
// biome-ignore lint/style/noDefaultExport: @dot-i/k8s-operator's, so that changing the import is all there is to do
export { Operator, Operator as default, type OperatorOptions } from './operator.ts'
export { type ResourceEvent, ResourceEventType, type ResourceMeta } from './resource.ts'
