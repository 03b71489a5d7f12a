/** One logger for the process: readable lines on a terminal, JSON otherwise. Every line names its component. */
import { type DestinationStream, type Logger, pino } from 'pino'

export type { Logger }

const levels: { readonly [level: number]: string } = {
  10: 'TRACE',
  20: 'DEBUG',
  30: 'INFO',
  40: 'WARN',
  50: 'ERROR',
  60: 'FATAL',
}

/** Writes to `stream`; `pretty` chooses the human form. */
export function createLogger(options: { debug: boolean; stream: NodeJS.WritableStream; pretty: boolean }): Logger {
  const { stream, pretty } = options
  const destination: DestinationStream = { write: line => void stream.write(pretty ? humanLine(line) : line) }
  return pino(
    { level: options.debug ? 'debug' : 'info', base: null, timestamp: pino.stdTimeFunctions.isoTime },
    destination,
  )
}

/** `12:00:01.250 INFO  deploy: applied file=x.yaml` from pino's JSON. */
export function humanLine(line: string): string {
  const { level, time, component, msg, err, ...fields } = JSON.parse(line) as { [key: string]: unknown } & {
    level: number
    time: string
  }
  const rest = Object.entries(fields).map(
    ([key, value]) => ` ${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  )
  const head = `${time.slice(11, 23)} ${(levels[level] ?? '').padEnd(5)} ${component === undefined ? '' : `${component}: `}${msg ?? ''}`
  const trace = (err as { stack?: string } | undefined)?.stack
  return `${head}${rest.join('')}${trace === undefined ? '' : `\n${trace}`}\n`
}
