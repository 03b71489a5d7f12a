import { expect, test } from '@jest/globals'
import { expand, missingReferences } from './expand.ts'

const values = { A: '1', B: 'two', EMPTY: '' }

test.each([
  ['plain', 'plain'],
  ['$(A)-$(B)', '1-two'],
  ['$$(A)', '$(A)'],
  ['$$$(A)', '$1'],
  ['$(NONE)/x', '$(NONE)/x'],
  ['[$(EMPTY)]', '[]'],
  ['$A $', '$A $'],
  ['$(A', '$(A'],
  ['cost: 5$', 'cost: 5$'],
])('expand(%s)', (text, expected) => {
  expect(expand(text, values)).toBe(expected)
})

test('missing references leave escaped ones out', () => {
  expect(missingReferences('$(A)/$(X)/$$(Y)', values)).toEqual(['X'])
})
