/** Table columns of custom resources: the name and the CRD's additionalPrinterColumns, or the age. */
import { type JsonPath, parseJsonPath, printResults } from '../../api/jsonpath.ts'
import type { KubeObject } from '../../api/object.ts'
import { ageText } from '../../api/time.ts'
import type { CustomResourceColumnDefinition } from '../../api/types.gen.ts'
import type { Column, Table } from '../kinds/kind.ts'

const nameColumn: Column = {
  name: 'Name',
  type: 'string',
  format: 'name',
  description: 'Name must be unique within a namespace.',
  cell: object => object.metadata.name ?? '',
}

const age: CustomResourceColumnDefinition = {
  name: 'Age',
  type: 'date',
  description: 'CreationTimestamp is a timestamp representing the server time when this object was created.',
  jsonPath: '.metadata.creationTimestamp',
}

/** The table of one version. */
export function customTable(columns: readonly CustomResourceColumnDefinition[] | undefined): Table {
  const shown = columns && columns.length > 0 ? columns : [age]
  return { columns: [nameColumn, ...shown.map(columnOf)] }
}

function columnOf(definition: CustomResourceColumnDefinition): Column {
  const { name, type, format, description, priority, jsonPath } = definition
  let path: JsonPath | undefined
  return {
    name,
    type: type as Column['type'],
    ...(format === undefined ? {} : { format }),
    description: description ?? `Custom resource definition column (in JSONPath format): ${jsonPath}`,
    ...(priority === undefined ? {} : { priority }),
    cell: (object, now) => {
      path ??= parseJsonPath(jsonPath)
      return cellOf(type, path, object, now)
    },
  }
}

function cellOf(type: string, path: JsonPath, object: KubeObject, now: number): string | number | boolean | null {
  const results = path.find(object)
  const value = results[0]
  if (value === undefined || value === null) return null
  switch (type) {
    case 'string':
      return printResults(results)
    case 'integer':
      return typeof value === 'number' ? Math.trunc(value) : null
    case 'number':
      return typeof value === 'number' ? value : null
    case 'boolean':
      return typeof value === 'boolean' ? value : null
    case 'date':
      return typeof value === 'string' ? dateCell(value, now) : null
    default:
      return null
  }
}

function dateCell(text: string, now: number): string {
  const shown = ageText(text, now)
  return shown === '<unknown>' ? '<invalid>' : shown
}
