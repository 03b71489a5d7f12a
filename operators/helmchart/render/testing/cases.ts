/**
 * Charts of testing/testdata/charts/ and what they are rendered with. What Helm 4 prints for each is in testing/testdata/golden/; where the
 * real Helm is at hand (scripts/oracles.sh), render.test.ts asks it as well.
 */
import type { UserValues } from '../../chart/values.ts'

export interface Case {
  readonly name: string
  readonly chart: string
  readonly values?: Omit<UserValues, 'files'>
  /** Text of a values file. */
  readonly file?: string
  readonly upgrade?: boolean
  readonly kubeVersion?: string
  readonly apiVersions?: readonly string[]
  readonly namespace?: string
}

const plain = [
  'objects',
  'umbrella',
  'oldstyle',
  'hooks',
  'order',
  'files',
  'documents',
  'tpls',
  'withlibrary',
  'library',
  'schema',
  'crds',
  'ignored',
  'newkube',
  'nodeps',
  'parse/parse-unclosed',
  'parse/parse-end',
  'parse/parse-function',
  'parse/parse-quote',
  'parse/parse-brace',
  'parse/parse-undefvar',
  'parse/parse-extra',
]

const failures = [
  'required',
  'required-empty',
  'fail',
  'deep',
  'nil',
  'nil-include',
  'field-of-text',
  'range-number',
  'no-template',
  'no-template-action',
  'tpl-parse',
  'tpl-exec',
  'tpl-fail',
  'wrong-args',
  'index',
  'semver',
  'compare',
  'call-nil',
  'must',
  'todate',
  'yaml',
  'yaml-list',
  'yaml-text',
  'yaml-tab',
  'yaml-annotation',
  'yaml-second',
  'merge',
  'div',
  'include-data',
]

/** Values that print what became of them. */
function printed(name: string, values: Omit<UserValues, 'files'>, file?: string): Case {
  return { name: `values-${name}`, chart: 'values', values, ...(file === undefined ? {} : { file }) }
}

function umbrella(name: string, file: string, values: Omit<UserValues, 'files'> = {}): Case {
  return { name: `umbrella-${name}`, chart: 'umbrella', file, values }
}

function schema(name: string, file: string): Case {
  return { name: `schema-${name}`, chart: 'schema', file }
}

export const cases: readonly Case[] = [
  ...plain.map(chart => ({ name: chart.replaceAll('/', '-'), chart })),
  ...failures.map(name => ({ name: `failures-${name}`, chart: 'failures', values: { set: [`case=${name}`] } })),
  { name: 'objects-upgrade', chart: 'objects', upgrade: true, namespace: 'shop' },
  { name: 'objects-kube', chart: 'objects', kubeVersion: 'v1.30.2-gke.1587003', apiVersions: ['extra/v1'] },
  { name: 'objects-oldkube', chart: 'objects', kubeVersion: '1.19.4' },
  printed('set', { set: ['a=1,b=x,c=true,d=null,e=1.5,f=,g=007,h=-3', 'list={a,1,true},n.x.y=z', 'l[1].a=b,l[0]=c'] }),
  printed('typed', { set: ['big=1000000000,port=80'], setString: ['text=80,yes=true'] }, 'big2: 1000000000\nport2: 80'),
  printed('json', { setJson: ['j={"a":[1,2.5,{"b":null}]}', '{"top":{"k":"v"}}', 'x=1,y="z"'] }),
  printed('literal', { setLiteral: ['lit=a,b={c}\\d', 'nested.lit=x=y'] }),
  printed('escapes', { set: ['a\\.b=c\\,d', 'ann.kubernetes\\.io/x=y'] }),
  printed('null', { set: ['defaults.gone=null', 'defaults.map.x=null'] }, 'defaults: {list: null}\nfresh: null'),
  printed(
    'order',
    { set: ['a=set'], setString: ['b=string'], setJson: ['a="json"', 'c="json"'] },
    'a: file\nb: file\nc: file\nd: file',
  ),
  printed('table-over-scalar', { set: ['defaults.gone.x=1', 'defaults.map=flat'] }),
  printed(
    'yaml',
    {},
    'a: yes\nb: 0644\nc: 1_000\nd: 1e3\ne: 12:30\nf: 2024-01-01\ng: ~\nh: "yes"\ny: 1\n? z\n: |\n  text\ni: &x {k: 1}\nj: {<<: *x, l: 2}\n',
  ),
  printed('documents', {}, 'a: 1\nm: {x: 1}\n---\na: 2\nm: {y: 2}\n'),
  printed('bad-file', {}, 'a: [1,'),
  printed('bad-list', {}, '- a'),
  printed('bad-set', { set: ['a=1,a.b=2'] }),
  printed('bad-set-list', { set: ['a={x'] }),
  printed('bad-set-index', { set: ['a[x]=1'] }),
  printed('bad-json', { setJson: ['a={'] }),
  umbrella('conditions', 'first: {enabled: false}\nswitches: {first: true}\n'),
  umbrella('second-condition', 'first: {enabled: null}\nswitches: {first: true}\n'),
  umbrella('tags', 'tags: {back: false}\n'),
  umbrella('tags-mixed', 'tags: {back: false, front: true}\n'),
  umbrella('globals', 'global: {table: {a: null, c: {deep: 1}}, added: x}\nfirst: {global: {table: {b: 5}}}\n'),
  umbrella('nulls', 'third: {own: null, fourth: {own: null}, exports: {data: null}}\nshared: null\n'),
  umbrella(
    'imports',
    'third: {exports: {data: {exported: replaced, new: 1}}, deep: {inner: {b: null}}}\nimported: {here: {a: mine}}\n',
  ),
  umbrella('type', 'third: text\n'),
  umbrella('nonbool', 'first: {enabled: "text"}\ntags: {back: "x"}\n'),
  umbrella('set', '', { set: ['third.fourth.own=deep,another.own=changed', 'global.n=5'] }),
  schema('types', 'port: "80"\nname: X\nmode: medium\n'),
  schema('bounds', 'port: 70000\nname: a\n'),
  schema('extra', 'extra: 1\nlimits: {}\nany: true\n'),
  schema('subchart', 'sub: {replicas: "many"}\nport: 0\n'),
  schema('null', 'name: null\n'),
]
