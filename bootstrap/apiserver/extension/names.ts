/** Which of the names a CustomResourceDefinition asks for it gets: those nobody else in its group has. */
import type { CustomResourceDefinition, CustomResourceDefinitionNames } from '../../api/types.gen.ts'
import type { Condition } from './conditions.ts'

export interface UsedNames {
  /** Plural, singular and short names. */
  readonly resources: ReadonlySet<string>
  /** Kinds and list kinds. */
  readonly kinds: ReadonlySet<string>
}

type Names = { -readonly [K in keyof CustomResourceDefinitionNames]: CustomResourceDefinitionNames[K] }

export interface AcceptedNames {
  readonly names: CustomResourceDefinitionNames
  readonly condition: Omit<Condition, 'lastTransitionTime'>
}

/** All names that a list of accepted names takes. */
export function usedNames(accepted: Iterable<CustomResourceDefinitionNames>): UsedNames {
  const resources = new Set<string>()
  const kinds = new Set<string>()
  for (const { plural, singular, shortNames, kind, listKind } of accepted) {
    for (const name of [plural, singular, ...(shortNames ?? [])]) if (name) resources.add(name)
    for (const name of [kind, listKind]) if (name) kinds.add(name)
  }
  return { resources, kinds }
}

/** The names a definition may use, and its NamesAccepted condition; what it was given before it keeps. */
export function acceptNames(crd: CustomResourceDefinition, used: UsedNames): AcceptedNames {
  const asked = crd.spec.names
  const had = crd.status?.acceptedNames
  const accepted: Names = { plural: had?.plural ?? '', kind: had?.kind ?? '' }
  if (had) Object.assign(accepted, had)
  let condition: AcceptedNames['condition'] = {
    type: 'NamesAccepted',
    status: 'True',
    reason: 'NoConflicts',
    message: 'no conflicts found',
  }
  const refuse = (reason: string, name: string) => {
    const message = `${JSON.stringify(name)} is already in use`
    condition = { type: 'NamesAccepted', status: 'False', reason, message }
  }
  const take = (field: 'plural' | 'singular' | 'kind' | 'listKind', taken: ReadonlySet<string>, reason: string) => {
    const name = asked[field] ?? ''
    if (name !== had?.[field] && taken.has(name)) refuse(reason, name)
    else accepted[field] = name
  }
  take('plural', used.resources, 'PluralConflict')
  take('singular', used.resources, 'SingularConflict')
  const shortNames = asked.shortNames ?? []
  const clash = shortNames.find(name => !had?.shortNames?.includes(name) && used.resources.has(name))
  if (clash === undefined) accepted.shortNames = shortNames
  else refuse('ShortNamesConflict', clash)
  take('kind', used.kinds, 'KindConflict')
  take('listKind', used.kinds, 'ListKindConflict')
  accepted.categories = asked.categories
  return { names: withoutEmpty(accepted), condition }
}

/** Without empty optional names; the plural and the kind are required. */
function withoutEmpty(names: Names): CustomResourceDefinitionNames {
  const isEmpty = (value: unknown) => value === undefined || (value as string | readonly string[]).length === 0
  const kept = Object.entries(names).filter(([name, value]) => name === 'plural' || name === 'kind' || !isEmpty(value))
  return Object.fromEntries(kept) as unknown as CustomResourceDefinitionNames
}
