import { describe, expect, test } from '@jest/globals'
import { stringifyValues, userValues } from './values.ts'

describe('--set', () => {
  test.each<[string, unknown]>([
    ['a=1', { a: 1n }],
    ['a=1,b=x,c=true,d=FALSE,e=null', { a: 1n, b: 'x', c: true, d: false, e: null }],
    ['a=0,b=007,c=-5,d=1.5,e=9223372036854775808', { a: 0n, b: '007', c: -5n, d: '1.5', e: '9223372036854775808' }],
    ['a.b.c=x,a.b.d=y', { a: { b: { c: 'x', d: 'y' } } }],
    ['a\\.b/c=x\\,y', { 'a.b/c': 'x,y' }],
    ['a={x,1,true},b={}', { a: ['x', 1n, true], b: [''] }],
    ['a[0]=x,a[2].b=y', { a: ['x', null, { b: 'y' }] }],
    ['a[0][1]=x', { a: [[null, 'x']] }],
    ['a=', { a: '' }],
    ['a=,b=c', { a: '', b: 'c' }],
    ['a[0]=', { a: [''] }],
    ['a=b=c', { a: 'b=c' }],
    ['', {}],
    ['=x', {}],
    ['a=1,x[', { a: 1n }],
    ['a[1][1]', { a: [] }],
  ])('%s', (text, values) => {
    expect(userValues({ set: [text] })).toEqual(values)
  })

  test.each([
    ['a', 'key "a" has no value'],
    ['a,b=1', 'key "a" has no value (cannot end with ,)'],
    ['a={x', "list must terminate with '}'"],
    ['a[x]=1', 'error parsing index: strconv.Atoi: parsing "x": invalid syntax'],
    ['a[-1]=1', 'negative -1 index not allowed'],
    ['a[70000]=1', 'index of 70000 is greater than maximum supported index of 65536'],
    ['a[0]b=1', "unexpected data at end of array index: ['b']"],
    ['a=1,a.b=2', 'unable to parse key: interface conversion: interface {} is int64, not map[string]interface {}'],
    [
      'a.b=1,a[0]=2',
      'unable to parse key: interface conversion: interface {} is map[string]interface {}, not []interface {}',
    ],
    ['a.=1', 'key map "a" has no value'],
    [`${'a.'.repeat(31)}b=1`, 'value name nested level is greater than maximum supported nested level of 30'],
  ])('refuses %s', (text, message) => {
    expect(() => userValues({ set: [text] })).toThrow(`failed parsing --set data: ${message}`)
  })

  test('its kin', () => {
    expect(
      userValues(
        {
          files: [
            { name: 'a.yaml', text: 'a: {x: 1, u: 2}\nb: [1]' },
            { name: 'b.yaml', text: 'a: {u: null}\nb: [2]' },
          ],
          setJson: ['j={"k": [1, "}"]} ,l=1.5,m=', '{"a": {"z": true}}'],
          set: ['b[0]=3'],
          setString: ['s=1,t=true'],
          setFile: ['f=path'],
          setLiteral: ['l=a,b=c\\d'],
        },
        path => `content of ${path}`,
      ),
    ).toEqual({
      a: { x: 1, u: null, z: true },
      b: [3n],
      j: { k: [1, '}'] },
      l: 'a,b=c\\d',
      m: null,
      s: '1',
      t: 'true',
      f: 'content of path',
    })
    expect(() => userValues({ setJson: ['a={'] })).toThrow('failed parsing --set-json data a={')
    expect(() => userValues({ files: [{ name: 'x.yaml', text: 'a: [' }] })).toThrow(/^failed to parse x.yaml: cannot/)
  })

  test('integers survive as JSON', () => {
    expect(stringifyValues(userValues({ set: ['a=9007199254740993,b=x'] }))).toBe('{"a":9007199254740993,"b":"x"}')
  })
})
