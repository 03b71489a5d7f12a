/** Texts of table cells that many kinds share. */

/** "a,b,c + 2 more...": the first items of a list. */
export function listText(items: readonly string[], shown = 3): string {
  const text = items.slice(0, shown).join(',')
  return items.length > shown ? `${text} + ${items.length - shown} more...` : text
}

/** "True", "False" or `<unset>`. */
export function boolText(value: boolean | undefined | null): string {
  if (value === undefined || value === null) return '<unset>'
  return value ? 'True' : 'False'
}

/** A group's resource or kind in lower case, "ingress.networking.k8s.io". */
export function groupText(name: string, group: string | undefined | null): string {
  return (group ? `${name}.${group}` : name).toLowerCase()
}
