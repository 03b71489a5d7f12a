/** Help texts, generated from the flag tables. */
import type { Flag } from './flags.ts'

/** The text of `skiff <command> --help`. */
export function commandHelp(command: string, summary: string, flags: readonly Flag[]): string {
  const groups = Map.groupBy(
    flags.filter(flag => flag.hidden !== true),
    flag => flag.group,
  )
  const lines = [`NAME:\n   skiff ${command} - ${summary}\n`, `USAGE:\n   skiff ${command} [OPTIONS]\n`, 'OPTIONS:']
  for (const [group, members] of groups) for (const flag of members) lines.push(flagLine(flag, group))
  return `${lines.join('\n')}\n`
}

function flagLine(flag: Flag, group: string): string {
  const names = `--${[flag.name, ...(flag.aliases ?? [])].join(', --')}${flag.short === undefined ? '' : `, -${flag.short}`}${flag.type === 'bool' ? '' : ' value'}`
  const fallback = flag.default === undefined ? '' : ` (default: ${flag.default})`
  const env = flag.env === undefined ? '' : ` [$${flag.env}]`
  return `   ${names.padEnd(44)} (${group}) ${flag.usage}${fallback}${env}`
}
