/** Telling what a command is to work on from how. */
import type { Flag } from '../config/flags.ts'
import { isNamed } from '../config/parse.ts'

/** Arguments that are no flags, nor values of flags, are the others. */
export function splitArguments(
  known: readonly Flag[],
  args: readonly string[],
): { readonly flags: readonly string[]; readonly others: readonly string[] } {
  const flags: string[] = []
  const others: string[] = []
  for (let at = 0; at < args.length; at++) {
    const text = args[at]!
    const [, name, value] = /^--?([A-Za-z][\w-]*)(=)?/.exec(text) ?? []
    if (name === undefined) others.push(text)
    else {
      flags.push(text)
      const takesNext = value === undefined && known.some(flag => flag.type !== 'bool' && isNamed(flag, name))
      if (takesNext && at + 1 < args.length) flags.push(args[++at]!)
    }
  }
  return { flags, others }
}
