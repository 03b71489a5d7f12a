/** Loggers of @dot-i/k8s-operator's shape. */
import type { Logger } from '../runtime/operator.ts'

export interface OperatorLogger {
  debug(message: string): void
  info(message: string): void
  warn(message: string): void
  error(message: string): void
}

const nothing = () => {}
export const silent: OperatorLogger = { debug: nothing, info: nothing, warn: nothing, error: nothing }

/** The runtime's logger on top of one that takes texts only. */
export function runtimeLogger(logger: OperatorLogger): Logger {
  const line = (level: keyof OperatorLogger) => (fields: object, message: string) =>
    logger[level](text(fields, message))
  return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') }
}

function text(fields: object, message: string): string {
  const parts = Object.entries(fields).map(
    ([name, value]) => `${name}=${value instanceof Error ? value.message : value}`,
  )
  return [message, ...parts].join(' ')
}
