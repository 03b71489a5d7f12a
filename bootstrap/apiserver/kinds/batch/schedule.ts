/** The syntax of cron schedules, with the complaints of the parser upstream uses (robfig/cron). */
import { cronDescriptors } from '../../../api/cron.ts'

interface Field {
  readonly min: number
  readonly max: number
  readonly names?: readonly string[]
}

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const weekdays = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']
const fields: readonly Field[] = [
  { min: 0, max: 59 },
  { min: 0, max: 23 },
  { min: 1, max: 31 },
  { min: 1, max: 12, names: months },
  { min: 0, max: 6, names: weekdays },
]
const every = /^@every (.+)$/

/** What is wrong with a schedule, or undefined when it is right. */
export function scheduleProblem(schedule: string): string | undefined {
  const text = schedule.replace(/^(CRON_)?TZ=\S+\s+/, '')
  if (text === '') return 'empty spec string'
  if (text.startsWith('@')) return descriptorProblem(text)
  const parts = text.trim().split(/\s+/)
  if (parts.length !== 5) return `expected exactly 5 fields, found ${parts.length}: [${parts.join(' ')}]`
  for (const [index, part] of parts.entries()) {
    for (const expression of part.split(',')) {
      const problem = rangeProblem(expression, fields[index]!)
      if (problem) return problem
    }
  }
  return undefined
}

function descriptorProblem(text: string): string | undefined {
  if (Object.hasOwn(cronDescriptors, text)) return undefined
  const duration = every.exec(text)?.[1]
  if (duration === undefined) return `unrecognized descriptor: ${text}`
  return /^((\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h))+$/.test(duration)
    ? undefined
    : `failed to parse duration ${text}: time: invalid duration ${JSON.stringify(duration)}`
}

function rangeProblem(expression: string, { min, max, names }: Field): string | undefined {
  const [range = '', step, ...moreSteps] = expression.split('/')
  if (moreSteps.length > 0) return `too many slashes: ${expression}`
  let low = min
  let high = max
  if (range !== '*' && range !== '?') {
    const [first = '', last, ...more] = range.split('-')
    if (more.length > 0) return `too many hyphens: ${expression}`
    const start = numberOf(first, min, names)
    if (typeof start === 'string') return start
    const end = last === undefined ? (step === undefined ? start : max) : numberOf(last, min, names)
    if (typeof end === 'string') return end
    low = start
    high = end
  }
  if (step !== undefined) {
    const size = numberOf(step, 0, undefined)
    if (typeof size === 'string') return size
    if (size === 0) return `step of range should be a positive number: ${expression}`
  }
  if (low < min) return `beginning of range (${low}) below minimum (${min}): ${expression}`
  if (high > max) return `end of range (${high}) above maximum (${max}): ${expression}`
  return low > high ? `beginning of range (${low}) beyond end of range (${high}): ${expression}` : undefined
}

/** The number a word stands for, or what is wrong with it. */
function numberOf(word: string, first: number, names: readonly string[] | undefined): number | string {
  const index = names?.indexOf(word.toLowerCase()) ?? -1
  if (index >= 0) return index + first
  if (/^-\d+$/.test(word)) return `negative number (${word}) not allowed: ${word}`
  if (/^\+?\d+$/.test(word)) return Number(word)
  return `failed to parse int from ${word}: strconv.Atoi: parsing ${JSON.stringify(word)}: invalid syntax`
}
