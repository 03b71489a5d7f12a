/** .helmignore: which files of a chart's folder are no part of the chart. */
import { posix } from 'node:path'
import { compilePattern } from './path-match.ts'

interface Rule {
  readonly negated: boolean
  readonly directoriesOnly: boolean
  matches(path: string): boolean
}

/** True when `path`, relative to the chart with forward slashes, is to be left out. */
export type Ignore = (path: string, isDirectory: boolean) => boolean

/** Parses the text of a .helmignore; Helm's own default is added. Throws Error for `**` and for malformed patterns. */
export function parseIgnore(text: string): Ignore {
  const rules = [...text.replace(/^\uFEFF/, '').split(/\r?\n/), 'templates/.?*'].flatMap(parseRule)
  return (path, isDirectory) => isIgnored(rules, path, isDirectory)
}

/** As in Helm, and unlike git: a negated rule leaves out everything it does not name. */
function isIgnored(rules: readonly Rule[], path: string, isDirectory: boolean): boolean {
  for (const rule of rules) {
    if (rule.negated) {
      if ((rule.directoriesOnly && !isDirectory) || !rule.matches(path)) return true
    } else if ((!rule.directoriesOnly || isDirectory) && rule.matches(path)) return true
  }
  return false
}

function parseRule(line: string): Rule[] {
  const text = line.trim()
  if (text === '' || text.startsWith('#')) return []
  if (text.includes('**')) throw new Error('double-star (**) syntax is not supported')
  compilePattern(text)
  const negated = text.startsWith('!')
  const directoriesOnly = text.endsWith('/')
  const pattern = text.slice(negated ? 1 : 0, directoriesOnly ? -1 : undefined)
  return [{ negated, directoriesOnly, matches: matcher(pattern) }]
}

/** A leading slash ties a pattern to the chart's root; one without slashes is about the file's name alone. */
function matcher(pattern: string): (path: string) => boolean {
  const expression = compilePattern(pattern.replace(/^\//, ''))
  return pattern.includes('/') ? path => expression.test(path) : path => expression.test(posix.basename(path))
}
