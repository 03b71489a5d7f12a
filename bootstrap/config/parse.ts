/**
 * Turns configuration files, environment and arguments into values, by K3s' precedence: an argument beats a file, a file
 * beats the environment; a repeatable flag's arguments are appended to the file's (k3s-io/k3s pkg/configfilearg, urfave/cli).
 */
import type { Flag } from './flags.ts'

/** A mistake of the user: one line that says what is wrong and what would be right. */
export class ConfigError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'ConfigError'
  }
}

/** What was given for each flag, by its long name. Absent means neither given nor defaulted. */
export class FlagValues {
  readonly #values: ReadonlyMap<string, readonly string[]>
  readonly #given: ReadonlySet<string>

  constructor(values: ReadonlyMap<string, readonly string[]>, given: ReadonlySet<string>) {
    this.#values = values
    this.#given = given
  }

  /** Whether the user set it, by whatever means. */
  given(name: string): boolean {
    return this.#given.has(name)
  }

  string(name: string): string | undefined {
    const value = this.#values.get(name)?.at(-1)
    return value === '' ? undefined : value
  }

  /** All values; comma lists are split, as K3s does for address-like flags, only where `split` says so. */
  list(name: string, split = false): readonly string[] {
    const values = this.#values.get(name) ?? []
    return split
      ? values.flatMap(value => value.split(',').map(part => part.trim())).filter(part => part !== '')
      : values
  }

  bool(name: string): boolean {
    return this.string(name) === 'true'
  }

  int(name: string): number | undefined {
    const value = this.string(name)
    return value === undefined ? undefined : Number(value)
  }
}

const yes = ['1', 't', 'T', 'true', 'TRUE', 'True']
const no = ['0', 'f', 'F', 'false', 'FALSE', 'False']

/**
 * Parses flags. `fileArgs` are the arguments a configuration file stands for, `args` the command line's own.
 * Throws ConfigError for an unknown flag, a missing or an unfit value.
 */
export function parseFlags(
  flags: readonly Flag[],
  fileArgs: readonly string[],
  args: readonly string[],
  env: { readonly [name: string]: string | undefined },
): FlagValues {
  const values = new Map<string, string[]>()
  const given = new Set<string>()
  for (const [flag, value] of [...readArgs(flags, fileArgs), ...readArgs(flags, args)]) {
    const known = given.has(flag.name) && flag.type === 'list' ? values.get(flag.name)! : []
    values.set(flag.name, [...known, value])
    given.add(flag.name)
  }
  for (const flag of flags) {
    if (given.has(flag.name)) continue
    const fromEnv = flag.env === undefined ? undefined : env[flag.env]
    if (fromEnv !== undefined && fromEnv !== '') {
      const parts = flag.type === 'list' ? fromEnv.split(',') : [fromEnv]
      values.set(
        flag.name,
        parts.map(part => checked(flag, part, `environment variable ${flag.env}`)),
      )
      given.add(flag.name)
    } else if (flag.default !== undefined) values.set(flag.name, [flag.default])
  }
  return new FlagValues(values, given)
}

function* readArgs(flags: readonly Flag[], args: readonly string[]): Generator<[Flag, string]> {
  for (let at = 0; at < args.length; at++) {
    const text = args[at]!
    const match = /^--?([A-Za-z][\w-]*)(?:=([\s\S]*))?$/.exec(text)
    if (!match) throw new ConfigError(`unexpected argument "${text}": only flags are accepted here, see --help`)
    const flag = findFlag(flags, match[1]!)
    let value = match[2]
    if (value === undefined) value = flag.type === 'bool' ? 'true' : args[++at]
    if (value === undefined) throw new ConfigError(`flag needs an argument: --${flag.name}`)
    yield [flag, checked(flag, value, `flag --${flag.name}`)]
  }
}

/** Whether a flag goes by this name, without dashes. */
export function isNamed({ name, short, aliases }: Flag, given: string): boolean {
  return name === given || short === given || (aliases?.includes(given) ?? false)
}

function findFlag(flags: readonly Flag[], name: string): Flag {
  const flag = flags.find(candidate => isNamed(candidate, name))
  if (flag) return flag
  const near = nearest(
    name,
    flags.filter(({ hidden }) => hidden !== true).flatMap(({ name, aliases = [] }) => [name, ...aliases]),
  )
  throw new ConfigError(
    `flag provided but not defined: --${name}${near === undefined ? '' : ` (did you mean --${near}?)`}`,
  )
}

function checked(flag: Flag, value: string, where: string): string {
  if (flag.type === 'bool') {
    if (yes.includes(value)) return 'true'
    if (no.includes(value)) return 'false'
    throw new ConfigError(`invalid value "${value}" for ${where}: want true or false`)
  }
  if (flag.type === 'int' && !/^-?\d+$/.test(value))
    throw new ConfigError(`invalid value "${value}" for ${where}: want a whole number`)
  if (flag.type === 'duration' && !/^(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+$/.test(value) && value !== '0')
    throw new ConfigError(`invalid value "${value}" for ${where}: want a duration such as 90s or 5m`)
  return value
}

/** The candidate within two edits of `name`, if there is one. */
function nearest(name: string, candidates: readonly string[]): string | undefined {
  const ranked = candidates.map(candidate => ({ candidate, distance: editDistance(name, candidate) }))
  const best = ranked.sort((a, b) => a.distance - b.distance)[0]
  return best !== undefined && best.distance <= 2 ? best.candidate : undefined
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)))
    row = next
  }
  return row[b.length]!
}
