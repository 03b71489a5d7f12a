import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from '@jest/globals'
import { criDescriptors } from './messages.ts'

const facts = '../shared/reference/cri-v1-fields.json'
const camel = (name: string) => name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())

interface Facts {
  enums: Record<string, Record<string, number>>
  messages: Record<string, Record<string, [number, string]>>
}

const describeWithFacts = existsSync(facts) ? describe : describe.skip

describeWithFacts(`CRI tables agree with ${facts}`, () => {
  const { messages, enums } = existsSync(facts)
    ? (JSON.parse(readFileSync(facts, 'utf8')) as Facts)
    : { messages: {}, enums: {} }

  test.each(Object.entries(criDescriptors.messages))('message %s', (name, fields) => {
    const known = Object.fromEntries(
      Object.entries(messages[name] ?? {}).map(([field, entry]) => [camel(field), entry]),
    )
    expect(known).toMatchObject(fields)
  })

  test.each(Object.entries(criDescriptors.enums ?? {}))('enum %s', (name, values) => {
    expect(values).toEqual(enums[name] ?? enums[`SecurityProfile.${name}`])
  })

  test('every message a field names has a table', () => {
    const types = Object.values(criDescriptors.messages).flatMap(fields =>
      Object.values(fields).map(([, type]) => type),
    )
    const named = types
      .map(type => type.replace(/^\[\]/, '').replace(/^map<\w+,\s*(.+)>$/, '$1'))
      .filter(type => /^[A-Z]/.test(type))
    const missing = named.filter(type => !criDescriptors.messages[type] && !criDescriptors.enums?.[type])
    expect(missing).toEqual([])
  })
})
