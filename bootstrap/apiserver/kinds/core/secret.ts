/** Secret: types with required keys, and stringData, which only clients write. */
import { field } from '../../../api/errors.ts'
import type { Draft } from '../../../api/object.ts'
import type { Secret } from '../../../api/types.gen.ts'
import type { Errors } from '../common/build.ts'
import { ageColumn, column, nameColumn, strategy } from '../common/build.ts'
import { immutable } from '../common/checks.ts'
import { fill, same } from '../common/defaulting.ts'
import { configMapKey } from '../common/names.ts'
import { countColumn } from '../common/workload-columns.ts'

const maxBytes = 1024 * 1024
const accountAnnotation = 'kubernetes.io/service-account.name'

function defaults(secret: Draft<Secret>): void {
  fill(secret, { type: 'Opaque' })
  if (!secret.stringData) return
  const data: { [key: string]: string } = { ...secret.data }
  for (const [key, value] of Object.entries(secret.stringData)) data[key] = Buffer.from(value).toString('base64')
  secret.data = data
  delete secret.stringData
}

function* validate(secret: Secret): Errors {
  let bytes = 0
  for (const [key, value] of Object.entries(secret.data ?? {})) {
    for (const text of configMapKey(key)) yield field.invalid(`data[${key}]`, key, text)
    bytes += Buffer.byteLength(value ?? '', 'base64')
  }
  if (bytes > maxBytes) yield field.tooLong('data', maxBytes)
  yield* typeErrors(secret)
}

function* typeErrors(secret: Secret): Errors {
  const { data = {} } = secret
  const missing = (...keys: string[]) => keys.filter(key => data[key] === undefined)
  switch (secret.type) {
    case 'kubernetes.io/service-account-token':
      if (!secret.metadata?.annotations?.[accountAnnotation]) {
        yield field.required(`metadata.annotations[${accountAnnotation}]`)
      }
      break
    case 'kubernetes.io/dockercfg':
      yield* jsonErrors(data, '.dockercfg')
      break
    case 'kubernetes.io/dockerconfigjson':
      yield* jsonErrors(data, '.dockerconfigjson')
      break
    case 'kubernetes.io/basic-auth':
      if (missing('username', 'password').length < 2) break
      yield field.required('data[username]')
      yield field.required('data[password]')
      break
    case 'kubernetes.io/ssh-auth':
      if (!data['ssh-privatekey']) yield field.required('data[ssh-privatekey]')
      break
    case 'kubernetes.io/tls':
      for (const key of missing('tls.crt', 'tls.key')) yield field.required(`data[${key}]`)
  }
}

function* jsonErrors(data: { readonly [key: string]: string }, key: string): Errors {
  const encoded = data[key]
  if (encoded === undefined) return yield field.required(`data[${key}]`)
  try {
    const parsed: unknown = JSON.parse(Buffer.from(encoded, 'base64').toString())
    if (typeof parsed !== 'object')
      throw new TypeError('json: cannot unmarshal into Go value of type map[string]interface {}')
  } catch (error) {
    yield field.invalid(`data[${key}]`, '<secret contents redacted>', (error as Error).message)
  }
}

const immutableText = 'field is immutable when `immutable` is set'

function* validateUpdate(secret: Secret, old: Secret): Errors {
  yield* immutable(secret.type, old.type, 'type')
  if (!old.immutable) return
  if (!secret.immutable) yield field.forbidden('immutable', immutableText)
  if (!same(secret.data ?? {}, old.data ?? {})) yield field.forbidden('data', immutableText)
}

export const secret = strategy<Secret>({
  defaults,
  validate,
  validateUpdate,
  fieldNames: ['type'],
  fields: object => ({ type: object.type ?? '' }),
  columns: [
    nameColumn,
    column('Type', object => object.type),
    countColumn('Data', object => Object.keys(object.data ?? {}).length),
    ageColumn,
  ],
})
