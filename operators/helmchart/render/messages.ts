/** Errors of templates in the words of `helm`: the place first, then the chain of includes that leads to it. */
import { TemplateError } from '../template/template.ts'

const warningStart = 'HELM_ERR_START'
const warningEnd = 'HELM_ERR_END'

/** Marks a message of `required` or `fail`, which is shown without the chain. */
export function asWarning(message: string): string {
  return warningStart + message + warningEnd
}

/** For a template that does not parse. */
export function parseFailure(name: string, error: unknown): Error {
  const message = (error as Error).message
  const parts = message.split(': ')
  const text =
    parts.length === 1 ? `parse error in (${name}): ${message}` : `parse error at (${parts[1]}): ${parts.at(-1)}`
  return new Error(text, { cause: error })
}

/** For a template that fails while it is executed. */
export function executionFailure(name: string, error: unknown): Error {
  if (!(error instanceof TemplateError)) return error instanceof Error ? error : new Error(String(error))
  const { message } = error
  const [, location, rest] = splitThree(message)
  if (rest === undefined) return new Error(`execution error in (${name}): ${message}`, { cause: error })
  const recursion = recursionIn(rest)
  if (recursion !== undefined) return new Error(`execution error at (${location}): ${recursion}`, { cause: error })
  const warning = new RegExp(`${warningStart}(.*)${warningEnd}`, 's').exec(rest)
  if (warning) return new Error(`execution error at (${location}): ${warning[1]}`, { cause: error })
  return new Error(traceOf(error) ?? message, { cause: error })
}

/** Includes without end: Helm prints the whole chain of them, a hundred thousand characters; the last link says it all. */
function recursionIn(text: string): string | undefined {
  const known = /rendering template has a nested reference name: [^\n]*$/.exec(text)?.[0]
  return known ?? /templates or values are nested too deeply/.exec(text)?.[0]
}

function splitThree(message: string): [string, string?, string?] {
  const first = message.indexOf(': ')
  const second = first < 0 ? -1 : message.indexOf(': ', first + 2)
  if (second < 0) return [message]
  return [message.slice(0, first), message.slice(first + 2, second), message.slice(second + 2)]
}

/** The chain of places; undefined when a link of it is no template's error, and the message is best left as it is. */
function traceOf(error: Error): string | undefined {
  const links: string[] = []
  for (let current: unknown = error; current instanceof Error; current = current.cause) {
    const link = traceLink(current.message)
    if (link === undefined) return undefined
    if (links.at(-1) !== link) links.push(link)
  }
  return links.join('').trim()
}

function traceLink(message: string): string | undefined {
  if (!message.startsWith('template: ')) return undefined
  const rest = message.slice('template: '.length)
  if (rest.startsWith('no template ')) return `${message}\n`
  const executing = /^(.*?): executing "([^"]*)" at <(.*?)>: (.*)$/s.exec(rest)
  if (executing) {
    const [, place, template, expression, problem] = executing
    return `${place}\n  executing "${template}" at <${expression}>:\n    ${withoutChain(problem!)}\n`
  }
  const last = rest.lastIndexOf(': ')
  return last < 0 ? undefined : `${rest.slice(0, last)}\n  ${withoutChain(rest.slice(last + 2))}\n`
}

function withoutChain(problem: string): string {
  const next = problem.indexOf(' template:')
  return next < 0 ? problem : problem.slice(0, next)
}
