/** The test vectors of cel-spec; those about protocol buffers have no meaning here and are left out by section. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { compile } from './compile.ts'
import { type Environment, environment } from './environment.ts'
import { kubernetesFunctions } from './library/index.ts'
import { parse } from './parser.ts'
import { program } from './program.ts'
import { rootScope, unlimited } from './scope.ts'
import { type Field, type Message, notUtf8, readTextproto } from './testing/textproto.ts'
import { bool, bytes, double, dyn, int, listOf, mapOf, string, type Type, uint } from './types.ts'
import { BuiltMap, equal, TypeValue, Uint, type Value } from './values.ts'

const folder = '../shared/testdata/cel-spec'
const files = [
  'basic',
  'bindings_ext',
  'comparisons',
  'conversions',
  'encoders_ext',
  'fields',
  'fp_math',
  'integer_math',
  'lists',
  'logic',
  'macros',
  'macros2',
  'math_ext',
  'namespace',
  'network_ext',
  'optionals',
  'parse',
  'plumbing',
  'string',
  'string_ext',
  'timestamps',
]

const functions = kubernetesFunctions({ patterns: text => new RegExp(text, 'u'), formats: {} })
const bare = (field: Field | undefined): string =>
  typeof field === 'string' ? field : ((field as { bare: string }).bare ?? '')
const child = (field: Field): Message => field as Message

/** Whether a test speaks of protocol messages, which objects of the API are not. */
const usesMessages = (text: string) =>
  /TestAllTypes|NestedMessage|google\.protobuf\.(?!Timestamp|Duration|internal)|Enum|object_value|cel\.@/.test(text)

function celValue(message: Message): Value {
  const [kind] = Object.keys(message)
  const field = message[kind ?? '']?.[0]
  switch (kind) {
    case 'null_value':
      return null
    case 'bool_value':
      return bare(field) === 'true'
    case 'int64_value':
      return BigInt(bare(field))
    case 'uint64_value':
      return new Uint(BigInt(bare(field)))
    case 'double_value':
      return numberOf(bare(field))
    case 'string_value':
      return field as string
    case 'bytes_value':
      return bytesOf(field as string)
    case 'type_value':
      return new TypeValue(field as string)
    case 'list_value':
      return (child(field!).values ?? []).map(one => celValue(child(one)))
    case 'map_value': {
      const map = new BuiltMap()
      for (const entry of child(field!).entries ?? [])
        map.add(celValue(child(child(entry).key![0]!)), celValue(child(child(entry).value![0]!)))
      return map
    }
    default:
      throw new Error(`unknown value ${kind}`)
  }
}

function numberOf(text: string): number {
  const named: { readonly [text: string]: number } = {
    inf: Infinity,
    '-inf': -Infinity,
    infinity: Infinity,
    '-infinity': -Infinity,
    nan: Number.NaN,
  }
  return named[text.toLowerCase()] ?? Number(text)
}

function bytesOf(text: string): Uint8Array {
  return new Uint8Array(text.startsWith(notUtf8) ? Buffer.from(text.slice(1), 'latin1') : Buffer.from(text))
}

const primitives: { readonly [name: string]: Type } = {
  BOOL: bool,
  INT64: int,
  UINT64: uint,
  DOUBLE: double,
  STRING: string,
  BYTES: bytes,
}

function typeOf(message: Message): Type {
  if (message.primitive) return primitives[bare(message.primitive[0])] ?? dyn
  if (message.list_type) return listOf(typeOf(child(child(message.list_type[0]!).elem_type![0]!)))
  if (message.map_type) {
    const { key_type, value_type } = child(message.map_type[0]!)
    return mapOf(typeOf(child(key_type![0]!)), typeOf(child(value_type![0]!)))
  }
  return dyn
}

/** What the checker would refuse is left to fail, or not, when it runs. */
function unchecked(text: string, within: Environment, bindings: readonly (readonly [string, Value])[]): Value {
  const { run: code } = compile(parse(text), { environment: within, locals: new Map(), issues: [], compile })
  return code(rootScope(Object.fromEntries(bindings), unlimited))
}

function run(vector: Message): void {
  const text = vector.expr![0] as string
  const declared = (vector.type_env ?? []).flatMap(field => {
    const { name, ident } = child(field)
    return ident ? [[name![0] as string, typeOf(child(child(ident[0]!).type?.[0] ?? {}))] as const] : []
  })
  const bindings = (vector.bindings ?? []).map(field => {
    const { key, value } = child(field)
    return [key![0] as string, celValue(child(child(value![0]!).value![0]!))] as const
  })
  const variables = { ...Object.fromEntries(bindings.map(([name]) => [name, dyn])), ...Object.fromEntries(declared) }
  const within = environment(variables, functions)
  const evaluate = () =>
    vector.disable_check
      ? unchecked(text, within, bindings)
      : program(text, within).evaluate(Object.fromEntries(bindings))
  if (vector.eval_error || vector.any_eval_errors) {
    expect(evaluate).toThrow()
    return
  }
  const wanted = vector.value
    ? celValue(child(vector.value[0]!))
    : vector.typed_result
      ? celValue(child(child(vector.typed_result[0]!).result![0]!))
      : true
  const got = evaluate()
  const isNan = (value: Value) => typeof value === 'number' && Number.isNaN(value)
  if ((isNan(got) && isNan(wanted)) || (equal(got, wanted) && typeof got === typeof wanted)) return
  expect(got).toEqual(wanted)
}

/** Kubernetes refuses IPv4 addresses written as IPv6 ones. */
const otherwiseHere = new Set(['ipv4_equals_ipv6', 'ipv4_not_equals_ipv6'])

if (!existsSync(folder)) test.skip('no test vectors of cel-spec here', () => {})
else {
  for (const file of files) {
    const suite = readTextproto(readFileSync(join(folder, `${file}.textproto`), 'utf8'))
    describe(file, () => {
      for (const section of (suite.section ?? []).map(child)) {
        const vectors = (section.test ?? [])
          .map(child)
          .filter(
            vector =>
              !usesMessages(JSON.stringify(vector)) &&
              !vector.container &&
              !otherwiseHere.has(vector.name![0] as string),
          )
        for (const vector of vectors)
          test(`${section.name![0]}: ${vector.name![0]}: ${vector.expr![0]}`, () => run(vector))
      }
    })
  }
  test('every file is there', () => {
    expect(readdirSync(folder).length).toBeGreaterThan(files.length)
  })
}
