/** What K3s' command prints: lines of its log on stderr, tables on stdout. */
import { rfc3339 } from '../../api/time.ts'

/** As logrus writes it: with colour for people, as key=value for programs. Scripts look for these lines. */
export function logLine(host: NodeJS.Process, level: 'info' | 'warning' | 'error', message: string): void {
  const colour = { info: 36, warning: 33, error: 31 }[level]
  host.stderr.write(
    host.stderr.isTTY
      ? `\u001b[${colour}m${level.slice(0, 4).toUpperCase()}\u001b[0m[0000] ${message}\n`
      : `time="${rfc3339(Date.now())}" level=${level} msg=${JSON.stringify(message)}\n`,
  )
}

/** Columns as wide as what is in them, one space apart. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map(cells => cells[column]!.length)))
  const line = (cells: readonly string[]) =>
    cells.map((cell, column) => (column < cells.length - 1 ? cell.padEnd(widths[column]!) : cell)).join(' ')
  return `${rows.map(line).join('\n')}\n`
}
