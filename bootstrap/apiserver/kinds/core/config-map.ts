/** ConfigMap. */
import { field } from '../../../api/errors.ts'
import type { ConfigMap } from '../../../api/types.gen.ts'
import type { Errors } from '../common/build.ts'
import { ageColumn, nameColumn, strategy } from '../common/build.ts'
import { same } from '../common/defaulting.ts'
import { configMapKey } from '../common/names.ts'
import { countColumn } from '../common/workload-columns.ts'

const maxBytes = 1024 * 1024
const size = (object: ConfigMap) => Object.keys(object.data ?? {}).length + Object.keys(object.binaryData ?? {}).length

function* validate(object: ConfigMap): Errors {
  let bytes = 0
  for (const [key, value] of Object.entries(object.data ?? {})) {
    for (const text of configMapKey(key)) yield field.invalid(`data[${key}]`, key, text)
    if (object.binaryData?.[key] !== undefined) {
      yield field.invalid(`data[${key}]`, key, 'duplicate of key present in binaryData')
    }
    bytes += Buffer.byteLength(value)
  }
  for (const [key, value] of Object.entries(object.binaryData ?? {})) {
    for (const text of configMapKey(key)) yield field.invalid(`binaryData[${key}]`, key, text)
    bytes += Buffer.byteLength(value, 'base64')
  }
  if (bytes > maxBytes) yield field.tooLong('', maxBytes)
}

const immutableText = 'field is immutable when `immutable` is set'

function* validateUpdate(object: ConfigMap, old: ConfigMap): Errors {
  if (!old.immutable) return
  if (!object.immutable) yield field.forbidden('immutable', immutableText)
  if (!same(object.data ?? {}, old.data ?? {})) yield field.forbidden('data', immutableText)
  if (!same(object.binaryData ?? {}, old.binaryData ?? {})) yield field.forbidden('binaryData', immutableText)
}

export const configMap = strategy<ConfigMap>({
  validate,
  validateUpdate,
  columns: [nameColumn, countColumn('Data', size), ageColumn],
})
