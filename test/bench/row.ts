/** One line of the bench's table, and how a figure's file hands its lines to the runner: as JSON lines on stdout. */

export interface Row {
  readonly figure: string
  readonly unit: 'µs' | 'ms' | 'MB' | '/s' | 'MB/s' | '%'
  readonly skiff: number
  /** What the machine does at best for the same work, and how that was measured. */
  readonly floor?: { readonly value: number; readonly what: string }
  /** From docs/architecture.md. `over`: the budget is for what Skiff adds to the floor. */
  readonly budget?: { readonly value: number; readonly over?: 'floor' }
}

export function report(row: Row): void {
  process.stdout.write(`${JSON.stringify(row)}\n`)
}

/** The rows among a figure's output. */
export function rowsOf(output: string): Row[] {
  return output
    .split('\n')
    .filter(line => line.startsWith('{"figure"'))
    .map(line => JSON.parse(line) as Row)
}

/** Rates are better when higher, everything else when lower. */
function withinBudget({ unit, skiff, floor, budget }: Row): boolean | undefined {
  if (!budget) return undefined
  const spent = budget.over === 'floor' ? skiff - (floor?.value ?? 0) : skiff
  return unit === '/s' ? spent >= budget.value : spent <= budget.value
}

function amount(value: number, unit: Row['unit']): string {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2
  return `${value.toLocaleString('en-US', { maximumFractionDigits: digits })}${unit === '/s' ? unit : ` ${unit}`}`
}

function ratio(value: number): string {
  return Number.isFinite(value) ? `x${value >= 10 ? Math.round(value) : value.toPrecision(2)}` : '-'
}

function cells(row: Row): string[] {
  const { figure, unit, skiff, floor, budget } = row
  const kept = withinBudget(row)
  return [
    figure,
    amount(skiff, unit),
    floor ? amount(floor.value, unit) : '-',
    floor ? ratio(skiff / floor.value) : '-',
    budget ? `${budget.over === 'floor' ? '+' : ''}${amount(budget.value, unit)}` : '-',
    kept === undefined ? '' : kept ? 'kept' : 'MISSED',
    floor?.what ?? '',
  ]
}

/** The rows as an aligned table for a terminal. */
export function table(rows: readonly Row[]): string {
  const head = ['figure', 'Skiff', "machine's floor", 'ratio', 'budget', '', 'the floor is']
  const lines = [head, ...rows.map(cells)]
  const widths = head.map((_, column) => Math.max(...lines.map(line => line[column]!.length)))
  const right = new Set([1, 2, 3, 4])
  const pad = (text: string, column: number) =>
    right.has(column) ? text.padStart(widths[column]!) : text.padEnd(widths[column]!)
  return lines.map(line => line.map(pad).join('  ').trimEnd()).join('\n')
}
