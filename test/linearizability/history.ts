/** What clients asked of registers, what they were told, and when: the material of the checks. */

/** A register's content; values are written once only, so a value names the write it came from. */
export interface Observed {
  readonly value: string
  readonly revision: number
}

export type Input =
  | { readonly op: 'create'; readonly value: string }
  | { readonly op: 'update'; readonly value: string; readonly expected: number }
  | { readonly op: 'delete'; readonly expected: number }
  | { readonly op: 'get' }

export type Output =
  /** The write happened; `revision` where it is told. */
  | { readonly type: 'done'; readonly revision?: number | undefined }
  /** The write did not happen, for the register was not as expected; `current` is what it was, where that is told. */
  | { readonly type: 'refused'; readonly current?: Observed | null | undefined }
  | { readonly type: 'seen'; readonly entry: Observed | null }
  /** It may have happened, may yet happen, or never will. */
  | { readonly type: 'unknown'; readonly why: string }

export interface Operation {
  readonly client: number
  /** Through which server. */
  readonly via: number
  readonly key: string
  readonly input: Input
  readonly output: Output
  /** Milliseconds on one clock. `returned` is infinite where the outcome is unknown. */
  readonly invoked: number
  readonly returned: number
}

export interface Listing {
  readonly client: number
  readonly via: number
  readonly invoked: number
  readonly returned: number
  /** Whose state it claims to show. */
  readonly revision: number
  readonly entries: ReadonlyMap<string, Observed>
}

export interface History {
  readonly operations: readonly Operation[]
  readonly listings: readonly Listing[]
}

/** A line for people. */
export function describe({ client, via, key, input, output, invoked, returned }: Operation): string {
  const asked = [input.op, 'expected' in input ? `at ${input.expected}` : '', 'value' in input ? input.value : '']
  const told = output.type === 'seen' ? JSON.stringify(output.entry) : JSON.stringify(output)
  const time = `${invoked.toFixed(3)}..${Number.isFinite(returned) ? returned.toFixed(3) : ''}`
  return `${time} client ${client} via ${via} ${key}: ${asked.filter(Boolean).join(' ')} -> ${told}`
}
