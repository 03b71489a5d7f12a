/** Turns the difference of two tables into one nft script; nft applies a script as one atomic transaction. */
import type { Table } from './table.ts'

/** Commands that lead from `from` (undefined: unknown state) to `to`; empty when nothing differs. */
export function nftScript(from: Table | undefined, to: Table): string {
  const id = `${to.family} ${to.name}`
  const lines: string[] = []
  if (!from) lines.push(`add table ${id}`, `delete table ${id}`, `add table ${id}`)
  // A set whose definition changed cannot be altered in place: start over, still atomically.
  if (from && [...to.sets].some(([name, body]) => from.sets.has(name) && from.sets.get(name) !== body))
    return nftScript(undefined, to)

  for (const [name, body] of to.sets) if (!from?.sets.has(name)) lines.push(defineSet(id, name, body))
  for (const [name, { hook }] of to.chains)
    if (!from?.chains.has(name)) lines.push(`add chain ${id} ${name}${hook === '' ? '' : ` { ${hook} }`}`)
  for (const [name, { rules }] of to.chains) {
    const known = from?.chains.get(name)
    if (known && sameRules(known.rules, rules)) continue
    if (known) lines.push(`flush chain ${id} ${name}`)
    for (const rule of rules) lines.push(`add rule ${id} ${name} ${rule}`)
  }
  for (const [set, wanted] of to.elements)
    lines.push(...elementChanges(id, set, from?.elements.get(set) ?? new Map(), wanted))
  const goneChains = [...(from?.chains.keys() ?? [])].filter(name => !to.chains.has(name))
  // First emptied, then deleted: a chain that others still jump to cannot go.
  lines.push(
    ...goneChains.map(name => `flush chain ${id} ${name}`),
    ...goneChains.map(name => `delete chain ${id} ${name}`),
  )
  for (const name of from?.sets.keys() ?? []) if (!to.sets.has(name)) lines.push(`delete set ${id} ${name}`)
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`
}

function defineSet(id: string, name: string, body: string): string {
  const [keyword, ...rest] = body.split(' ')
  return `add ${keyword} ${id} ${name} ${rest.join(' ')}`
}

const sameRules = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((rule, at) => rule === b[at])

function elementChanges(
  id: string,
  set: string,
  from: ReadonlyMap<string, string>,
  to: ReadonlyMap<string, string>,
): string[] {
  const removed = [...from].filter(([key, value]) => to.get(key) !== value).map(([key]) => key)
  const added = [...to].filter(([key, value]) => from.get(key) !== value)
  const lines: string[] = []
  if (removed.length > 0) lines.push(`delete element ${id} ${set} { ${removed.join(', ')} }`)
  if (added.length > 0) {
    const texts = added.map(([key, value]) => (value === '' ? key : `${key} : ${value}`))
    lines.push(`add element ${id} ${set} { ${texts.join(', ')} }`)
  }
  return lines
}
