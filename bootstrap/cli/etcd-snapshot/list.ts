/** `etcd-snapshot list`: what the server has on its disk, and in S3 where that is asked for. */
import { tryParseQuantity } from '../../api/quantity.ts'
import { formatYaml } from '../../api/yaml.ts'
import { ConfigError } from '../../config/parse.ts'
import type { Invocation } from './command.ts'
import { table } from './print.ts'
import { askServer } from './request.ts'

interface Item {
  readonly spec?: { readonly snapshotName?: string; readonly location?: string }
  readonly status?: { readonly size?: string; readonly creationTime?: string }
}

interface List {
  readonly items: readonly Item[]
}

const formats = ['json', 'yaml', 'table']

export async function listSnapshots({ values, host }: Invocation): Promise<number> {
  const format = (values.string('output') ?? 'table').toLowerCase()
  if (!formats.includes(format))
    throw new ConfigError(`invalid output format: ${format}: want one of ${formats.join(', ')}`)
  const answer = (await askServer({ operation: 'list' }, values, host)) as List
  const list = { ...answer, items: [...answer.items].sort(byAge) }
  if (format === 'json') host.stdout.write(`${JSON.stringify(list, null, 4)}\n`)
  else if (format === 'yaml') host.stdout.write(formatYaml(list))
  else host.stdout.write(table([['Name', 'Location', 'Size', 'Created'], ...list.items.map(row)]))
  return 0
}

const nameOf = ({ spec }: Item) => spec?.snapshotName ?? ''
const createdOf = ({ status }: Item) => status?.creationTime ?? ''

function byAge(a: Item, b: Item): number {
  const [left, right] = createdOf(a) === createdOf(b) ? [nameOf(a), nameOf(b)] : [createdOf(a), createdOf(b)]
  return left < right ? -1 : left > right ? 1 : 0
}

function row(item: Item): string[] {
  const size = tryParseQuantity(item.status?.size ?? 0)?.value() ?? 0
  return [nameOf(item), item.spec?.location ?? '', String(size), createdOf(item)]
}
