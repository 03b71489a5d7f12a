/** A seeded corpus of template expressions: functions called with arguments that mostly fit, and printed in several ways. */

/** Go literals and paths into testdata/values.json, by what they are. */
const texts = [
  ...['""', '"abc"', '"hello world"', '"Hello World"', '"  sp "', '"12"', '"3.7"', '"a,b,,c"', '"a/b/../c.txt"'],
  ...[
    '"héllo"',
    '"日本語"',
    '"q\\"x\'y"',
    '"l1\\nl2"',
    '"1.2.3"',
    '"$1-$\x7b2}"',
    '"a: 1\\nb:\\n- x\\n"',
    '"yes"',
    '"0x1f"',
  ],
  ...['.Values.s', '.Values.u', '.Values.q', '.Values.ml', '.Values.e', '.Values.num', '.Values.sp'],
]
const integers = ['0', '1', '2', '3', '5', '10', '-1', '-5', '100', '(int .Values.n)']
const numbers = [
  ...integers,
  '1.5',
  '-0.5',
  '1e6',
  '.Values.n',
  '.Values.f',
  '.Values.neg',
  '"12"',
  '(int64 7)',
  'true',
]
const maps = [
  '.Values.m',
  '.Values.em',
  '(dict)',
  '(dict "a" 1)',
  '(dict "b" nil "e" false)',
  '.Values.deep',
  '.Values.m.c',
]
const lists = [
  ...['.Values.l', '.Values.ls', '.Values.ln', '.Values.el', '(list)', '(list 1 2 3)', '(list "b" "a" "b")'],
  ...['(splitList "," "x,y,z")', '(until 4)', '.Values.lm'],
]
const others = ['true', 'false', 'nil', '.Values.t', '.Values.nil', '.Values.missing', "'x'", '(list 1 1.0 "1" nil)']
const all = [...texts, ...numbers, ...maps, ...lists, ...others]
const keys = ['"a"', '"b"', '"c"', '"x"', '"d"']
const patterns = ['"l+"', '"[a-z]+o"', '"(?i)HELLO"', '"\\\\d+"', '"(\\\\w)(\\\\w)"', '""', '"x*"', '"^$"', '"("']
const dates = ['(toDate "2006-01-02" "2024-03-05")', '0', '(int64 1700000000)']
const layouts = ['"2006-01-02"', '"Mon Jan _2 15:04:05 MST 2006"', '"3:04PM .000"', '"06/1/2 15h -07:00"', '"002 __2"']
const versions = ['"1.2.3"', '"1.2.3-alpha"', '"v1.2.3+meta"', '"2.0.0"', '"0.2.5"', '"1.3"', '"bad"', '"v1.36.1+k3s1"']
const constraints = [
  '">=1.2.0"',
  '"^1.2.3"',
  '"~1.2"',
  '"1.x"',
  '">1.2 <3"',
  '"1.2 - 2.3"',
  '"!=1.2.3"',
  '"*"',
  '">=1.2.3-0"',
]
const formats = [
  '%v',
  '%d',
  '%s',
  '%q',
  '%5.2f',
  '%-5s|',
  '%05d',
  '%x',
  '%t',
  '%e',
  '%g',
  '%T',
  '%+v',
  '%#v',
  '%c',
  '%8.3v|',
]

/** Functions with what each argument is chosen from; a list of lists of arguments where there are several forms. */
const signatures: { readonly [name: string]: readonly (readonly string[])[] } = {
  abbrev: [integers, texts],
  add: [numbers, numbers],
  addf: [numbers, numbers],
  and: [all, all],
  append: [lists, all],
  b64enc: [texts],
  b64dec: [['"aGVsbG8="', '"bad"']],
  camelcase: [texts],
  cat: [all, all],
  ceil: [numbers],
  chunk: [['1', '2', '3'], lists],
  coalesce: [all, all],
  compact: [lists],
  concat: [lists, lists],
  contains: [texts, texts],
  date: [layouts, dates],
  dateInZone: [layouts, dates, ['"UTC"', '"America/New_York"', '"Europe/Berlin"', '"bad"']],
  default: [all, all],
  dict: [keys, all, keys, all],
  dig: [keys, keys, all, maps],
  div: [numbers, numbers],
  divf: [numbers, ['1', '3', '0.7']],
  durationRound: [['"2400h"', '"90s"', '"400ms"', '"x"']],
  empty: [all],
  eq: [all, all],
  first: [lists],
  float64: [all],
  floor: [numbers],
  fromJson: [['"{\\"a\\":[1,2.5]}"', '"[1]"', '"{"', '"{\\"a\\":1,}"']],
  fromYaml: [texts],
  ge: [numbers, numbers],
  get: [maps, keys],
  has: [all, lists],
  hasKey: [maps, keys],
  indent: [['0', '2', '4'], texts],
  index: [
    [...lists, ...maps],
    ['0', '1', '5', '"a"', '"c"'],
  ],
  initial: [lists],
  int: [all],
  int64: [all],
  join: [texts, lists],
  kindOf: [all],
  last: [lists],
  len: [[...lists, ...maps, ...texts]],
  list: [all, all],
  lt: [numbers, numbers],
  max: [numbers, numbers],
  mod: [numbers, numbers],
  mul: [numbers, numbers],
  nindent: [['0', '2', '4'], texts],
  not: [all],
  omit: [maps, keys],
  or: [all, all],
  pick: [maps, keys],
  plural: [texts, texts, integers],
  pluck: [keys, maps, maps],
  prepend: [lists, all],
  print: [all, all],
  printf: [formats.map(format => `"${format}"`), all],
  quote: [all, all],
  regexFind: [patterns, texts],
  regexFindAll: [patterns, texts, ['-1', '1', '2']],
  regexMatch: [patterns, texts],
  regexReplaceAll: [patterns, texts, ['"$1"', '"$\x7b2}-$1"', '"$1x"', '"X"']],
  regexSplit: [patterns, texts, ['-1', '0', '2']],
  repeat: [['0', '1', '3'], texts],
  replace: [texts, texts, texts],
  rest: [lists],
  reverse: [lists],
  round: [numbers, ['0', '1', '2']],
  semverCompare: [constraints, versions],
  seq: [integers, integers],
  sha256sum: [texts],
  slice: [lists, ['0', '1', '2'], ['1', '2', '3']],
  snakecase: [texts],
  sortAlpha: [lists],
  split: [texts, texts],
  squote: [all, all],
  sub: [numbers, numbers],
  substr: [integers, integers, texts],
  ternary: [all, all, ['true', 'false', '.Values.t']],
  title: [texts],
  toDecimal: [numbers],
  toJson: [all],
  toPrettyJson: [all],
  toString: [all],
  toStrings: [lists],
  toYaml: [all],
  trim: [texts],
  trimAll: [texts, texts],
  trimSuffix: [texts, texts],
  trunc: [integers, texts],
  typeOf: [all],
  uniq: [lists],
  untilStep: [
    ['0', '1', '3'],
    ['0', '5', '-2'],
    ['1', '-1', '2'],
  ],
  untitle: [texts],
  upper: [texts],
  urlParse: [['"http://u:p@h.com:80/p/a%20b?q=1#f"', '"//h/x"', '"mailto:a@b"', '"http://a b"', '":x"']],
  without: [lists, all],
  wrap: [['5', '10'], texts],
}

/** Integers below a limit, the same ones for the same seed (mulberry32). */
function random(seed: number): (limit: number) => number {
  let state = seed
  return limit => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor(((mixed ^ (mixed >>> 14)) >>> 0) * (limit / 2 ** 32))
  }
}

/** Different expressions, each a whole template without line breaks around it. */
export function expressions(seed: number, count: number): string[] {
  const below = random(seed)
  const pick = (list: readonly string[]): string => list[below(list.length)]!
  const names = Object.keys(signatures)
  const made = new Set<string>()
  while (made.size < count) {
    const name = pick(names)
    const values = signatures[name]!.map(choices => pick(below(15) === 0 ? all : choices))
    const last = values.at(-1)!
    const pipes = below(3) === 0 && !/^(?:nil|true|false)$/.test(last)
    const call = pipes ? `${last} | ${[name, ...values.slice(0, -1)].join(' ')}` : [name, ...values].join(' ')
    made.add(printed(call, below(6)))
  }
  return [...made]
}

function printed(call: string, way: number): string {
  switch (way) {
    case 0:
      return `{{ ${call} | toJson }}`
    case 1:
      return `{{ printf "%T|%v" (${call}) (${call}) }}`
    case 2:
      return `{{ with ${call} }}{{ . | toYaml }}{{ else }}none{{ end }}`
    case 3:
      return `{{ $x := ${call} }}{{ kindOf $x }} {{ $x | quote }}`
    default:
      return `{{ ${call} }}`
  }
}
