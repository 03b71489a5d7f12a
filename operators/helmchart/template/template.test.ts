/** Sets of templates: what is shared, replaced and reported. The language itself is held against Helm in functions/corpus.test.ts. */
import { describe, expect, test } from '@jest/globals'
import { bytesOf, textOf } from './bytes.ts'
import { formatFloat } from './floats.ts'
import { sprintf } from './format.ts'
import { GoError, goFunction } from './functions.ts'
import { quote, unquote } from './quote.ts'
import { TemplateError, TemplateSet } from './template.ts'
import { GoStruct, typed, types } from './values.ts'

function message(act: () => unknown): string {
  try {
    act()
  } catch (error) {
    return (error as Error).message
  }
  throw new Error('no error')
}

describe('a set of templates', () => {
  const upper = goFunction('string -> string', (text: string) => text.toUpperCase())

  test('templates call each other; a definition that comes later counts', () => {
    const set = new TemplateSet('set', {})
    set.parse('a', '{{ define "x" }}old{{ end }}[{{ template "x" . }}]')
    set.parse('b', '{{ define "x" }}new {{ . }}{{ end }}')
    expect(set.execute('a', 1n)).toBe('[new 1]')
    expect(set.names().sort()).toEqual(['a', 'b', 'x'])
    expect(set.has('x')).toBe(true)
  })

  test('a blank text replaces nothing, but is what its own handle runs', () => {
    const set = new TemplateSet('set', {})
    set.parse('a', 'text')
    expect(set.parse('a', ' {{/* nothing */}}\n').execute(null)).toBe(' \n')
    expect(set.execute('a', null)).toBe('text')
  })

  test('a clone has templates and functions of its own', () => {
    const set = new TemplateSet('set', { shout: upper })
    set.parse('a', '{{ shout "a" }}{{ template "x" }}{{ define "x" }}1{{ end }}')
    const clone = set.clone()
    clone.parse('b', '{{ define "x" }}2{{ end }}')
    clone.override({ shout: goFunction('string -> string', (text: string) => `<${text}>`) })
    expect([set.execute('a', null), clone.execute('a', null)]).toEqual(['A1', '<a>2'])
    expect(set.has('b')).toBe(false)
  })

  test('a missing template is named with the set', () => {
    const set = new TemplateSet('set', {})
    expect(message(() => set.execute('x', null))).toBe('template: no template "x" associated with template "set"')
  })

  test('errors of functions carry what they wrap', () => {
    const inner = new GoError('inner')
    const set = new TemplateSet('set', {
      fails: goFunction('-> string', () => {
        throw new GoError('outer: inner', { cause: inner })
      }),
    })
    set.parse('a', 'é\n{{ "é" }}{{ fails }}')
    try {
      set.execute('a', null)
    } catch (error) {
      expect(error).toBeInstanceOf(TemplateError)
      expect((error as Error).message).toBe(
        'template: a:2:13: executing "a" at <fails>: error calling fails: outer: inner',
      )
      expect(((error as Error).cause as Error).cause).toBe(inner)
    }
    expect.assertions(3)
  })

  test.each([
    ['default', '<no value>', ''],
    ['zero', '<no value>', ''],
    ['error', '', 'template: a:1:3: executing "a" at <.x>: map has no entry for key "x"'],
  ] as const)('missing keys: %s', (missingKey, output, error) => {
    const set = new TemplateSet('set', {}, { missingKey })
    const template = set.parse('a', '{{ .x }}')
    if (error) expect(message(() => template.execute({}))).toBe(error)
    else expect(template.execute({})).toBe(output)
  })

  test('other delimiters', () => {
    const set = new TemplateSet('set', {}, { leftDelimiter: '<%', rightDelimiter: '%>' })
    expect(set.parse('a', '{{ x }} <%- . %>').execute('d')).toBe('{{ x }} d'.replace(' d', 'd'))
  })

  test('templates without end are an error', () => {
    const set = new TemplateSet('set', {})
    set.parse('a', '{{ template "a" }}')
    expect(message(() => set.execute('a', null))).toMatch(
      /^template: a:1:12: executing "a" at <{{template "a"}}>: exceeded maximum template depth \(100000\)$/,
    )
  })
})

describe('values with methods and fields', () => {
  const version = new GoStruct('common.KubeVersion', { Version: 'v1.36.0', Major: '1' }, { text: () => 'v1.36.0' })
  const versions = typed(
    ['v1', 'apps/v1'],
    { name: 'common.VersionSet', kind: 'slice', element: types.string },
    { methods: { Has: goFunction('string -> bool', (name: string) => ['v1', 'apps/v1'].includes(name)) } },
  )
  const data = { C: new GoStruct('*common.Capabilities', { KubeVersion: version, APIVersions: versions }) }
  const run = (text: string): string => new TemplateSet('s', {}).parse('t', text).execute(data)

  test.each([
    ['{{ .C.KubeVersion }} {{ .C.KubeVersion.Major }}', 'v1.36.0 1'],
    ['{{ .C.APIVersions.Has "v1" }} {{ "v2" | .C.APIVersions.Has }}', 'true false'],
    ['{{ range .C.APIVersions }}{{ . }},{{ end }}{{ len .C.APIVersions }}', 'v1,apps/v1,2'],
    ['{{ printf "%T %T %v" .C .C.APIVersions .C.APIVersions }}', '*common.Capabilities common.VersionSet [v1 apps/v1]'],
    [
      '{{ printf "%+v" .C.KubeVersion }} {{ printf "%d" .C.KubeVersion }}',
      'v1.36.0 {%!d(string=v1.36.0) %!d(string=1)}',
    ],
  ])('%s', (text, output) => {
    expect(run(text)).toBe(output)
  })

  test.each([
    ['{{ .C.Nope }}', "can't evaluate field Nope in type interface {}"],
    ['{{ .C.KubeVersion.Nope }}', "can't evaluate field Nope in type common.KubeVersion"],
    ['{{ .C.KubeVersion.Major 1 }}', 'Major has arguments but cannot be invoked as function'],
    ['{{ .C.APIVersions.Has }}', 'wrong number of args for Has: want 1 got 0'],
    ['{{ .C.APIVersions.Has 1 }}', 'expected string; found 1'],
  ])('%s', (text, error) => {
    expect(message(() => run(text))).toMatch(new RegExp(`: ${error.replace(/[{}]/g, '\\$&')}$`))
  })
})

describe('Go text', () => {
  test('bytes that are no UTF-8 survive', () => {
    const bytes = Uint8Array.of(0xff, 0x61, 0xc3, 0xa9, 0xed, 0xa0, 0x80, 0xf0, 0x9f, 0x98, 0x80, 0xc3)
    const text = textOf(bytes)
    expect(bytesOf(text)).toEqual(bytes)
    expect(quote(text)).toBe('"\\xffaé\\xed\\xa0\\x80😀\\xc3"')
    expect(unquote('"\\xffaé\\xed\\xa0\\x80\\U0001F600\\303"')).toBe(text)
  })

  test.each([
    [0.1, 'g', -1, '0.1'],
    [1e21, 'g', -1, '1e+21'],
    [123456789, 'g', -1, '1.23456789e+08'],
    [2.5, 'f', 0, '2'],
    [0.125, 'f', 2, '0.12'],
    [1e23, 'f', -1, '100000000000000000000000'],
    [5e-324, 'e', 5, '4.94066e-324'],
    [1.7976931348623157e308, 'g', 3, '1.8e+308'],
    [-0, 'e', 1, '-0.0e+00'],
    [1, 'b', -1, '4503599627370496p-52'],
    [3.5, 'x', -1, '0x1.cp+01'],
  ] as const)('%d as %s with precision %d', (value, format, precision, text) => {
    expect(formatFloat(value, format, precision)).toBe(text)
  })

  test.each([
    ['%s %d %q', ['a', 1n], 'a 1 %!q(MISSING)'],
    ['%d', ['a', 2n], '%!d(string=a)%!(EXTRA int=2)'],
    ['%[2]*[1]d|%-5d|%05d|%+d', [7n, 4n], '   7|4    |%!d(MISSING)|%!d(MISSING)'],
    ['%6.2f|%x|%X|%#x', [2.71, 'hi', 255n, 255n], '  2.71|6869|FF|0xff'],
    ['%v %v %v', [null, [1n, 'x'], { b: 1, a: null }], '<nil> [1 x] map[a:<nil> b:1]'],
    ['%t%%%c%U', [true, 0x1f600n, 0x1f600n], 'true%😀U+1F600'],
    ['%[5]d %.3', [1n], '%!d(BADINDEX) %!(NOVERB)'],
  ])('printf %s', (format, values, text) => {
    expect(sprintf(format, values)).toBe(text)
  })
})
