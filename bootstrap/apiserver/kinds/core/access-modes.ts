/** Access modes of volumes and claims. */
import { field } from '../../../api/errors.ts'
import type { Errors } from '../common/build.ts'

const short: { readonly [mode: string]: string } = {
  ReadWriteOnce: 'RWO',
  ReadOnlyMany: 'ROX',
  ReadWriteMany: 'RWX',
  ReadWriteOncePod: 'RWOP',
}

/** "RWO,RWX", in a fixed order and without repetition. */
export function accessModesText(modes: readonly string[] | undefined): string {
  return Object.entries(short)
    .filter(([mode]) => modes?.includes(mode))
    .map(([, text]) => text)
    .join(',')
}

/** At least one known mode, and ReadWriteOncePod only by itself. */
export function* accessModesErrors(modes: readonly string[] | undefined, path: string, detail = ''): Errors {
  if (!modes?.length) yield field.required(path, detail)
  for (const mode of modes ?? []) {
    if (!short[mode]) yield field.notSupported(path, mode, Object.keys(short).sort())
  }
  if (modes && modes.length > 1 && modes.includes('ReadWriteOncePod')) {
    yield field.forbidden(path, 'may not use ReadWriteOncePod with other access modes')
  }
}
