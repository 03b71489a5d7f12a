/** Which snapshots are too many. */

export interface Kept {
  /** The file's name. */
  readonly name: string
  /** In milliseconds since the epoch. */
  readonly at: number
}

const ending = '-\\d+(?:\\.zip)?(?:\\.enc)?$'
const quoted = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')

/**
 * Of the snapshots `<name>-<node>-<unix>`, those beyond the newest `keep`; none when `keep` is below one. Without `node`, those of all
 * nodes count together, as K3s counts in S3. A file of another name is never among them, even if its name begins alike.
 */
export function tooMany<T extends Kept>(all: readonly T[], name: string, keep: number, node?: string): T[] {
  if (keep < 1) return []
  const ours = new RegExp(`^${quoted(name)}-${node === undefined ? '.+' : quoted(node)}${ending}`)
  return all
    .filter(each => ours.test(each.name))
    .sort((a, b) => b.at - a.at || (a.name < b.name ? 1 : -1))
    .slice(keep)
}
