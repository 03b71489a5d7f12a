/** Checks used by many kinds: enumerations, int-or-string values, percentages. */
import { field } from '../../../api/errors.ts'
import type { Errors } from './build.ts'
import { same } from './defaulting.ts'
import { textErrors } from './metadata.ts'
import { percent, portName, portNumber } from './names.ts'

/** Required when empty, NotSupported when not one of the values. */
export function* oneOf(value: string | undefined | null, path: string, supported: readonly string[]): Errors {
  if (!value) yield field.required(path)
  else yield* supportedOrEmpty(value, path, supported)
}

/** NotSupported when given and not one of the values. */
export function* supportedOrEmpty(
  value: string | undefined | null,
  path: string,
  supported: readonly string[],
): Errors {
  if (value && !supported.includes(value)) yield field.notSupported(path, value, supported)
}

/** Required with the detail when the value is absent or empty. */
export function* requiredText(value: string | undefined | null, path: string, detail = ''): Errors {
  if (!value) yield field.required(path, detail)
}

/** "field is immutable" when the value differs from the old one. */
export function* immutable(value: unknown, old: unknown, path: string): Errors {
  if (!same(value, old)) yield field.immutable(path, value)
}

/** A port given as number or name. */
export function* portReference(value: unknown, path: string): Errors {
  if (typeof value === 'number') for (const text of portNumber(value)) yield field.invalid(path, value, text)
  else yield* textErrors(portName, String(value ?? ''), path)
}

/** A count or a percentage, not negative. */
export function* countOrPercent(value: unknown, path: string): Errors {
  if (typeof value === 'string') yield* textErrors(percent, value, path)
  else if (Number(value) < 0) yield field.invalid(path, value, 'must be greater than or equal to 0')
}

/** "must not be greater than 100%" for a percentage above it. */
export function* atMostHundredPercent(value: unknown, path: string): Errors {
  const share = percentOf(value)
  if (share !== undefined && share > 100) yield field.invalid(path, value, 'must not be greater than 100%')
}

/** The number of a percentage, undefined for anything else. */
function percentOf(value: unknown): number | undefined {
  return typeof value === 'string' && percent(value).length === 0 ? Number(value.slice(0, -1)) : undefined
}
