/** The five fields of a cron schedule, with robfig/cron's rules and complaints. */

/** The values of one field; `any` when it was given as `*` or `?`. */
export interface Field {
  readonly values: ReadonlySet<number>
  readonly any: boolean
}

export interface Fields {
  readonly minute: Field
  readonly hour: Field
  readonly day: Field
  readonly month: Field
  readonly weekday: Field
}

interface Bounds {
  readonly min: number
  readonly max: number
  readonly names?: readonly string[]
}

interface Range {
  readonly low: number
  readonly high: number
}

const bounds: { readonly [name in keyof Fields]: Bounds } = {
  minute: { min: 0, max: 59 },
  hour: { min: 0, max: 23 },
  day: { min: 1, max: 31 },
  month: {
    min: 1,
    max: 12,
    names: ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'],
  },
  weekday: { min: 0, max: 6, names: ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] },
}

/** Reads "MINUTE HOUR DAY MONTH WEEKDAY". Throws SyntaxError. */
export function parseFields(text: string): Fields {
  const parts = text.split(/\s+/).filter(part => part !== '')
  if (parts.length !== 5)
    throw new SyntaxError(`expected exactly 5 fields, found ${parts.length}: [${parts.join(' ')}]`)
  const [minute = '', hour = '', day = '', month = '', weekday = ''] = parts
  return {
    minute: fieldOf(minute, bounds.minute),
    hour: fieldOf(hour, bounds.hour),
    day: fieldOf(day, bounds.day),
    month: fieldOf(month, bounds.month),
    weekday: fieldOf(weekday, bounds.weekday),
  }
}

/** Nothing between two commas is nothing; a field of commas alone is never met. */
function fieldOf(text: string, limits: Bounds): Field {
  const ranges = text
    .split(',')
    .filter(range => range !== '')
    .map(range => rangeOf(range, limits))
  return { values: new Set(ranges.flatMap(range => [...range.values])), any: ranges.some(range => range.any) }
}

function rangeOf(text: string, limits: Bounds): Field {
  const [range = '', stepText, ...moreSteps] = text.split('/')
  const given = endsOf(range, text, limits)
  if (moreSteps.length > 0) throw new SyntaxError(`too many slashes: ${text}`)
  const step = stepText === undefined ? 1 : numberOf(stepText)
  const low = given?.low ?? limits.min
  const toTheEnd = given === undefined || (stepText !== undefined && !range.includes('-'))
  const high = toTheEnd ? limits.max : given.high
  if (low < limits.min) throw new SyntaxError(`beginning of range (${low}) below minimum (${limits.min}): ${text}`)
  if (high > limits.max) throw new SyntaxError(`end of range (${high}) above maximum (${limits.max}): ${text}`)
  if (low > high) throw new SyntaxError(`beginning of range (${low}) beyond end of range (${high}): ${text}`)
  if (step === 0) throw new SyntaxError(`step of range should be a positive number: ${text}`)
  const values = new Set<number>()
  for (let value = low; value <= high; value += step) values.add(value)
  return { values, any: given === undefined && step === 1 }
}

/** The ends of "1-5", or of "1"; undefined for all there is, whatever follows a first `*`. */
function endsOf(range: string, text: string, limits: Bounds): Range | undefined {
  const [first = '', last, ...more] = range.split('-')
  if (first === '*' || first === '?') return undefined
  const low = wordValue(first, limits)
  if (more.length > 0) throw new SyntaxError(`too many hyphens: ${text}`)
  return { low, high: last === undefined ? low : wordValue(last, limits) }
}

function wordValue(text: string, { min, names }: Bounds): number {
  const index = names?.indexOf(text.toLowerCase()) ?? -1
  return index >= 0 ? index + min : numberOf(text)
}

/** As strconv.Atoi reads it. */
function numberOf(text: string): number {
  const complain = (reason: string) =>
    new SyntaxError(`failed to parse int from ${text}: strconv.Atoi: parsing ${JSON.stringify(text)}: ${reason}`)
  if (!/^[+-]?\d+$/.test(text)) throw complain('invalid syntax')
  const value = Number(text)
  if (Math.abs(value) >= 2 ** 63) throw complain('value out of range')
  if (value < 0) throw new SyntaxError(`negative number (${value}) not allowed: ${text}`)
  return value
}
