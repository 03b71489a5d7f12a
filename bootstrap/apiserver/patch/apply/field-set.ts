/**
 * Sets of field paths in the form they are stored in, FieldsV1: a node maps path elements ("f:spec", 'k:{"name":"a"}',
 * 'v:"x"', "i:0") to nodes. A path is a member when its node is empty or holds ".". Sets are never changed in place, so
 * what an operation leaves alone is shared; an operation that changes nothing returns its first argument.
 */
export interface FieldSet {
  readonly [element: string]: FieldSet
}

type FieldSetDraft = { [element: string]: FieldSet }

/** The set without a path; as a node, a member without children. */
export const emptySet: FieldSet = Object.freeze({})

const self = '.'

export function isEmptySet(set: FieldSet): boolean {
  for (const _ in set) return false
  return true
}

/** Whether a node's own path belongs to the set. */
export function isMember(node: FieldSet | undefined): boolean {
  return node !== undefined && (node[self] !== undefined || isEmptySet(node))
}

/** The node of a path with these children. Undefined when there is nothing to say about it. */
export function nodeOf(member: boolean, children: FieldSet | undefined): FieldSet | undefined {
  if (children === undefined || isEmptySet(children)) return member ? emptySet : undefined
  return member ? { [self]: emptySet, ...children } : children
}

/** A set holding these paths. */
export function setOfPaths(paths: readonly (readonly string[])[]): FieldSet {
  return paths.reduce<FieldSet>((set, path) => {
    const node = path.reduceRight<FieldSet>((child, element) => ({ [element]: child }), emptySet)
    return union(set, node)
  }, emptySet)
}

/** All paths of either set. */
export function union(a: FieldSet, b: FieldSet): FieldSet {
  let result: FieldSetDraft | undefined
  let grown = false
  for (const element in b) {
    if (element === self) continue
    const left = a[element]
    const right = b[element]!
    const node = left === undefined ? right : unionNode(left, right)
    if (node === left) continue
    result ??= { ...a }
    grown ||= left === undefined
    result[element] = node
  }
  if (result === undefined) return a
  return grown ? sorted(result) : result
}

function unionNode(a: FieldSet, b: FieldSet): FieldSet {
  if (a === b) return a
  const children = union(a, b)
  const member = isMember(a) || isMember(b)
  if (member === isMember(a) && children === a) return a
  return member && children[self] === undefined && !isEmptySet(children) ? { [self]: emptySet, ...children } : children
}

/** The paths of `a` that are not in `b`; paths below a removed one stay. */
export function difference(a: FieldSet, b: FieldSet): FieldSet {
  return without(a, b, (left, right) => nodeOf(isMember(left) && !isMember(right), childrenOf(difference(left, right))))
}

/** The paths of `a` that are neither in `b` nor below a path of `b`. */
export function subtract(a: FieldSet, b: FieldSet): FieldSet {
  return without(a, b, (left, right) =>
    isMember(right) ? undefined : nodeOf(isMember(left), childrenOf(subtract(left, right))),
  )
}

function without(
  a: FieldSet,
  b: FieldSet,
  remaining: (left: FieldSet, right: FieldSet) => FieldSet | undefined,
): FieldSet {
  let result: FieldSetDraft | undefined
  for (const element in b) {
    const left = a[element]
    if (element === self || left === undefined) continue
    const node = remaining(left, b[element]!)
    if (node !== undefined && sameSet(node, left)) continue
    result ??= { ...a }
    if (node === undefined) delete result[element]
    else result[element] = node
  }
  return result ?? a
}

function childrenOf(node: FieldSet): FieldSet {
  if (node[self] === undefined) return node
  const { [self]: _, ...children } = node
  return children
}

/** The paths that are in both sets. */
export function intersection(a: FieldSet, b: FieldSet): FieldSet {
  const result: FieldSetDraft = {}
  for (const element in a) {
    const left = a[element]!
    const right = b[element]
    if (element === self || right === undefined) continue
    const node = nodeOf(isMember(left) && isMember(right), childrenOf(intersection(left, right)))
    if (node !== undefined) result[element] = node
  }
  return result
}

/** Whether both hold the same paths. */
export function sameSet(a: FieldSet, b: FieldSet): boolean {
  if (a === b) return true
  for (const element in a) {
    const right = b[element]
    if (right === undefined || !sameSet(a[element]!, right)) return false
  }
  for (const element in b) if (a[element] === undefined) return false
  return true
}

/** All paths, parents before children. */
export function* pathsOf(set: FieldSet, prefix: readonly string[] = []): Generator<readonly string[]> {
  for (const element in set) {
    if (element === self) continue
    const path = [...prefix, element]
    const node = set[element]!
    if (isMember(node)) yield path
    yield* pathsOf(node, path)
  }
}

/** The same paths with the elements of every level in order. */
export function sorted(node: FieldSet): FieldSet {
  const keys = Object.keys(node)
  const inOrder = keys.every((key, index) => index === 0 || keys[index - 1]! < key)
  return inOrder ? node : Object.fromEntries(keys.sort().map(key => [key, node[key]!]))
}

/** Whether a value has the form of FieldsV1. */
export function isFieldSet(value: unknown): value is FieldSet {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  return Object.entries(value).every(([element, node]) => /^(\.$|[fkvi]:)/.test(element) && isFieldSet(node))
}
