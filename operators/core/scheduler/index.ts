export { schedulerOperator } from './scheduler.ts'
