/** The syntax tree of a CEL expression, macros already told apart (cel-spec doc/langdef.md). */
import type { Value } from './values.ts'

/** `at` is the offset, in UTF-16 units, that an error about the node points to. */
interface Node {
  readonly at: number
}

export type Expr =
  | (Node & { readonly kind: 'literal'; readonly value: Value })
  | (Node & { readonly kind: 'ident'; readonly name: string })
  /** `a.b`, `a.?b`, and with `test` has(a.b). */
  | (Node & {
      readonly kind: 'select'
      readonly operand: Expr
      readonly field: string
      readonly test: boolean
      readonly optional: boolean
    })
  | (Node & { readonly kind: 'index'; readonly operand: Expr; readonly index: Expr; readonly optional: boolean })
  | (Node & {
      readonly kind: 'call'
      readonly name: string
      readonly target: Expr | undefined
      readonly args: readonly Expr[]
    })
  | (Node & { readonly kind: 'and' | 'or'; readonly left: Expr; readonly right: Expr })
  | (Node & { readonly kind: 'conditional'; readonly test: Expr; readonly then: Expr; readonly otherwise: Expr })
  | (Node & { readonly kind: 'list'; readonly elements: readonly Element[] })
  | (Node & { readonly kind: 'map'; readonly entries: readonly Entry[] })
  | (Node & { readonly kind: 'struct'; readonly type: string; readonly fields: readonly Field[] })
  | (Node & {
      readonly kind: 'quantifier'
      readonly quantifier: 'all' | 'exists' | 'existsOne'
      readonly range: Expr
      readonly variables: readonly string[]
      readonly predicate: Expr
    })
  /** map, filter and the transforms: `filter` picks, `value` (and `key`) make what is collected. */
  | (Node & {
      readonly kind: 'collect'
      readonly into: 'list' | 'map' | 'entries'
      readonly range: Expr
      readonly variables: readonly string[]
      readonly filter: Expr | undefined
      readonly value: Expr
    })
  | (Node & { readonly kind: 'bind'; readonly variable: string; readonly init: Expr; readonly body: Expr })
  /** optMap and optFlatMap. */
  | (Node & {
      readonly kind: 'optional'
      readonly operand: Expr
      readonly variable: string
      readonly body: Expr
      readonly flat: boolean
    })

export interface Element {
  readonly value: Expr
  readonly optional: boolean
}

export interface Entry extends Element {
  readonly key: Expr
}

export interface Field extends Element {
  readonly name: string
}
