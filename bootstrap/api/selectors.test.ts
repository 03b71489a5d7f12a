import { describe, expect, test } from '@jest/globals'
import {
  escapeFieldValue,
  formatLabelSelector,
  formatLabels,
  isEmptySelector,
  labelSelectorOf,
  parseFieldSelector,
  parseLabelSelector,
  selects,
  selectsMap,
} from './selectors.ts'

describe('label selectors', () => {
  test.each([
    ['', ''],
    ['a=b', 'a=b'],
    ['a==b', 'a==b'],
    ['a = b , c != d', 'a=b,c!=d'],
    ['b,!a', '!a,b'],
    ['x in (c, a,b,a)', 'x in (a,b,c)'],
    ['x notin (a)', 'x notin (a)'],
    ['x in ()', undefined],
    ['x in (,a)', 'x in (,a)'],
    ['x=', 'x='],
    ['x=,y', 'x=,y'],
    ['n>1,m<3', 'm<3,n>1'],
    ['in in (in,notin)', 'in in (in,notin)'],
    ['example.com/x=1', 'example.com/x=1'],
  ])('%j reads as %j', (text, canonical) => {
    if (canonical === undefined) expect(() => parseLabelSelector(text)).toThrow()
    else expect(parseLabelSelector(text).text).toBe(canonical)
  })

  test.each([
    ['a b', "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"],
    ['a=b,', "found '', expected: identifier after ','"],
    ['a=b c', "found 'c', expected: ',' or 'end of string'"],
    [',a', "found ',', expected: !, identifier, or 'end of string'"],
    ['a in b', "unable to parse requirement: found 'b' expected: '('"],
    ['a in (b', "unable to parse requirement: found '', expected: ',' or ')'"],
    ['a=!', "unable to parse requirement: found '!', expected: identifier"],
    ['!', "unable to parse requirement: found '', expected: identifier"],
    [
      'a>x',
      `unable to parse requirement: values[0]: Invalid value: "x": for 'Gt', 'Lt' operators, the value must be an integer`,
    ],
    [
      'a=b?',
      `unable to parse requirement: values[0][a]: Invalid value: "b?": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')`,
    ],
  ])('%j is refused', (text, message) => {
    expect(() => parseLabelSelector(text)).toThrow(expect.objectContaining({ message, code: 400 }))
  })

  test.each([
    ['', {}, true],
    ['a', { a: '' }, true],
    ['a', undefined, false],
    ['!a', undefined, true],
    ['a=1', { a: '1' }, true],
    ['a!=1', {}, true],
    ['a!=1', { a: '1' }, false],
    ['a in (1,2)', { a: '2' }, true],
    ['a notin (1,2)', { b: '2' }, true],
    ['a notin (1,2)', { a: '2' }, false],
    ['a>1', { a: '10' }, true],
    ['a>1', { a: 'x' }, false],
    ['a<1', { a: '0' }, true],
    ['toString', {}, false],
    ['a=1,b=2', { a: '1' }, false],
  ] as const)('%j on %j is %j', (text, labels, expected) => {
    expect(parseLabelSelector(text).matches(labels)).toBe(expected)
  })

  test('a selector object selects by labels and expressions', () => {
    const selector = labelSelectorOf({
      matchLabels: { app: 'web' },
      matchExpressions: [
        { key: 'tier', operator: 'In', values: ['b', 'a'] },
        { key: 'old', operator: 'DoesNotExist' },
      ],
    })
    expect(selector.text).toBe('app=web,!old,tier in (a,b)')
    expect(selector.matches({ app: 'web', tier: 'a' })).toBe(true)
    expect(selector.matches({ app: 'web', tier: 'a', old: '' })).toBe(false)
    expect(labelSelectorOf(undefined).matches({})).toBe(false)
    expect(labelSelectorOf({}).matches({})).toBe(true)
    expect(() => labelSelectorOf({ matchExpressions: [{ key: 'a', operator: 'Is' }] })).toThrow(
      '"Is" is not a valid label selector operator',
    )
  })

  test.each<[selector: object | undefined, labels: object | undefined, selected: boolean]>([
    [undefined, { a: '1' }, false],
    [{}, undefined, true],
    [{ matchLabels: { a: '1' } }, { a: '1', b: '2' }, true],
    [{ matchLabels: { a: '1' } }, undefined, false],
    [{ matchExpressions: [{ key: 'a', operator: 'NotIn', values: ['1'] }] }, {}, true],
    [{ matchExpressions: [{ key: 'a', operator: 'Gt', values: ['1'] }] }, { a: '2' }, false],
    [{ matchExpressions: [{ key: 'a', operator: 'constructor' }] }, { a: '2' }, false],
  ])('%j selects %j: %s', (selector, labels, selected) => {
    for (let times = 0; times < 2; times++) expect(selects(selector, labels as never)).toBe(selected)
  })

  test('maps and emptiness', () => {
    expect([selectsMap(undefined, {}), selectsMap({ a: '1' }, { a: '1', b: '2' }), selectsMap({ a: '1' }, {})]).toEqual(
      [true, true, false],
    )
    expect([isEmptySelector(undefined), isEmptySelector({}), isEmptySelector({ matchLabels: { a: '1' } })]).toEqual([
      true,
      true,
      false,
    ])
  })

  test('texts for people', () => {
    expect(formatLabelSelector({})).toBe('<none>')
    expect(formatLabelSelector({ matchLabels: { 'a b': '' } })).toBe('<error>')
    expect(formatLabels({ b: '2', a: '1' })).toBe('a=1,b=2')
  })
})

describe('field selectors', () => {
  test.each([
    ['', []],
    ['a=b', [{ field: 'a', op: '=', value: 'b' }]],
    ['a==b', [{ field: 'a', op: '=', value: 'b' }]],
    [
      'z!=,a.b=c',
      [
        { field: 'a.b', op: '=', value: 'c' },
        { field: 'z', op: '!=', value: '' },
      ],
    ],
    ['a=x\\,y\\=z\\\\', [{ field: 'a', op: '=', value: 'x,y=z\\' }]],
    [
      'a=b\\\\,c=d',
      [
        { field: 'a', op: '=', value: 'b\\' },
        { field: 'c', op: '=', value: 'd' },
      ],
    ],
  ])('%j parses', (text, requirements) => {
    expect(parseFieldSelector(text).requirements).toEqual(requirements)
  })

  test.each([
    ['a', "invalid selector: 'a'; can't understand 'a'"],
    ['a=b=c', 'invalid field selector: unescaped character in value: ='],
    ['a=\\x', 'invalid field selector: invalid escape sequence: \\x'],
  ])('%j is refused', (text, message) => {
    expect(() => parseFieldSelector(text)).toThrow(expect.objectContaining({ message, code: 400 }))
  })

  test('matches fields, absent ones being empty', () => {
    const selector = parseFieldSelector(`a=${escapeFieldValue('x,y')},b!=1`)
    expect(selector.matches({ a: 'x,y' })).toBe(true)
    expect(selector.matches({ a: 'x,y', b: '1' })).toBe(false)
    expect(selector.text).toBe('a=x\\,y,b!=1')
  })
})
