/** Rules in CEL, answered by upstream's API server and by ours: the same objects, the same messages. */
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { type Answer, HttpClient, type Json } from '../integration/http-client.ts'
import { type RunningServer, startServer } from '../integration/server.ts'
import { missing, startUpstream, type UpstreamServer } from './upstream.ts'

jest.setTimeout(120_000)

const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'

function definition(plural: string, spec: Json): Json {
  const schema = { openAPIV3Schema: { type: 'object', properties: { spec } } }
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.cel.example.com` },
    spec: {
      group: 'cel.example.com',
      scope: 'Cluster',
      names: { plural, singular: plural, kind: plural[0]!.toUpperCase() + plural.slice(1) },
      versions: [{ name: 'v1', served: true, storage: true, schema }],
    },
  }
}

const rule = (text: string, more: Json = {}) => ({ rule: text, ...more })
const rules = (...list: Json[]) => ({ 'x-kubernetes-validations': list })
const properties = {
  replicas: { type: 'integer', minimum: 0 },
  max: { type: 'integer' },
  ratio: { type: 'number' },
  name: { type: 'string', maxLength: 50 },
  image: { type: 'string', maxLength: 100 },
  when: { type: 'string', format: 'date-time' },
  wait: { type: 'string', format: 'duration', maxLength: 20 },
  port: { 'x-kubernetes-int-or-string': true },
  tags: { type: 'array', maxItems: 5, items: { type: 'string', maxLength: 20 } },
  labels: { type: 'object', maxProperties: 5, additionalProperties: { type: 'string', maxLength: 20 } },
  'dashed-name': { type: 'string', maxLength: 20 },
  driver: { type: 'string', maxLength: 20, ...rules(rule('self == oldSelf', { message: 'driver is immutable' })) },
  parts: {
    type: 'array',
    maxItems: 5,
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['id'],
    items: {
      type: 'object',
      required: ['id'],
      properties: { id: { type: 'string', maxLength: 10 }, size: { type: 'integer' } },
      ...rules(rule('self.size >= oldSelf.size')),
    },
  },
}
const checks = [
  rule('self.replicas <= self.max'),
  rule('self.replicas != 13', { message: 'unlucky', reason: 'FieldValueForbidden', fieldPath: '.replicas' }),
  rule("!has(self.name) || self.name.matches('^[a-z]+$')", {
    messageExpression: "'the name ' + self.name + ' is not lower case'",
  }),
  rule('!has(self.tags) || self.tags.all(tag, tag.size() > 1)'),
  rule("!has(self.labels) || !('bad' in self.labels)", { fieldPath: ".labels['bad']", message: 'bad label' }),
  rule("!has(self.labels) || self.labels.all(k, self.labels[k] != '')", {
    reason: 'FieldValueRequired',
    fieldPath: '.labels',
  }),
  rule("!has(self.when) || self.when < timestamp('2030-01-01T00:00:00Z')"),
  rule("!has(self.wait) || self.wait < duration('1h')"),
  rule('!has(self.port) || (type(self.port) == int ? self.port < 65536 : self.port.size() > 0)'),
  rule(
    "!has(self.__dash__) && (!has(self.dashed__dash__name) || self.dashed__dash__name != 'x')".replace(
      '!has(self.__dash__) && ',
      '',
    ),
  ),
  rule("!has(self.image) || self.image.split('/')[1] != ''"),
  rule('!has(self.ratio) || self.ratio * 2.0 < 1.5', { reason: 'FieldValueInvalid' }),
  rule('!oldSelf.hasValue() || oldSelf.value().max <= self.max', {
    optionalOldSelf: true,
    message: 'max must not fall',
  }),
]
const rich = definition('things', { type: 'object', required: ['replicas', 'max'], properties, ...rules(...checks) })

const good = { replicas: 1, max: 5 }
const objects: readonly Json[] = [
  good,
  { replicas: 9, max: 5 },
  { replicas: 13, max: 20 },
  { ...good, name: 'UPPER' },
  { ...good, tags: ['ok', 'x'] },
  { ...good, labels: { bad: 'y' } },
  { ...good, labels: { good: '' } },
  { ...good, when: '2031-01-01T00:00:00Z' },
  { ...good, wait: '90m' },
  { ...good, port: 70000 },
  { ...good, port: '' },
  { ...good, 'dashed-name': 'x' },
  { ...good, image: 'none' },
  { ...good, image: 'a/' },
  { ...good, ratio: 1 },
  { replicas: 13, max: 2, name: 'U', ratio: 0.9 },
]
const changes: readonly (readonly [Json, Json])[] = [
  [
    { ...good, driver: 'a' },
    { ...good, driver: 'b' },
  ],
  [{ ...good, driver: 'a' }, good],
  [good, { ...good, driver: 'b' }],
  [good, { replicas: 1, max: 4 }],
  [
    {
      ...good,
      parts: [
        { id: 'a', size: 3 },
        { id: 'b', size: 3 },
      ],
    },
    {
      ...good,
      parts: [
        { id: 'b', size: 1 },
        { id: 'c', size: 0 },
      ],
    },
  ],
]

/** Rules no definition may have. */
const refused: readonly Json[] = [
  rule('self.nothing == 1'),
  rule('self.replicas == "x"'),
  rule('self.replicas +'),
  rule('self.replicas'),
  rule('missing(self.replicas)'),
  rule('self.name.size() == 1 && self.labels.nope(1)'),
  rule(''),
  rule('true', { messageExpression: 'self.replicas' }),
  rule('true', { message: '  ' }),
  rule('true &&\ntrue'),
  rule('self.tags.all(t, t > 1)'),
  rule('self.tags.map(t, t.size()).sum() == oldSelf.replicas + 1.5'),
  rule('self.labels.all(k, v)'),
  rule('self.tags[0].charAt("x")'),
  rule('self.replicas in self.tags'),
  rule('self.name ? true : false'),
  rule('[1, 2].map(x, y) == []'),
  rule('self.name.matches(1)'),
  rule('1 + true == 2'),
  rule('has(self)'),
  rule('self.tags.exists(1, true)'),
  rule('true', { message: 'two\nlines' }),
  rule('true', { messageExpression: 'nothing' }),
]

/** Upstream's parser goes on after a mistake and finds more; where and that it fails is the same. */
const unreadable: readonly Json[] = [
  rule("'open"),
  rule('self..name'),
  rule('(self.replicas == 1'),
  rule('self.replicas == 1)'),
  rule('self.replicas == 99999999999999999999'),
  rule('while == 1'),
]

if (missing !== undefined) test.skip(`no upstream API server (scripts/oracles.sh builds one): ${missing}`, () => {})
else {
  let upstream: UpstreamServer
  let ours: RunningServer
  let both: HttpClient[]
  beforeAll(async () => {
    ;[upstream, ours] = await Promise.all([startUpstream(), startServer()])
    both = [upstream.api, new HttpClient(ours)]
  })
  afterAll(async () => {
    both[1]?.close()
    await Promise.all([upstream.remove(), ours.remove()])
  })

  const told = ({ status, body }: Answer) => ({
    status,
    message: status < 300 ? '' : body.message,
    causes: body.details?.causes,
  })
  const fieldsOnly = ({ status, causes }: ReturnType<typeof told>) => [
    status,
    causes.map(({ field, message }: Json) => [field, message.includes('compilation failed: ERROR: <input>:')]),
  ]
  const path = '/apis/cel.example.com/v1/things'
  const thing = (name: string, spec: Json) => ({
    apiVersion: 'cel.example.com/v1',
    kind: 'Things',
    metadata: { name },
    spec,
  })

  test('objects that break rules are refused in the same words', async () => {
    const answers = await Promise.all(
      both.map(async api => {
        expect((await api.post(crds, rich)).status).toBe(201)
        await api.until(path, ({ status }) => status === 200)
        const list = []
        for (const [index, spec] of objects.entries()) list.push(told(await api.post(path, thing(`o${index}`, spec))))
        for (const [index, [before, after]] of changes.entries()) {
          const name = `c${index}`
          list.push(told(await api.post(path, thing(name, before))))
          list.push(
            told(
              await api.patch(`${path}/${name}`, 'application/json-patch+json', [
                { op: 'replace', path: '/spec', value: after },
              ]),
            ),
          )
        }
        return list
      }),
    )
    expect(answers[1]).toEqual(answers[0])
  })

  test('what versions have alike is named as upstream names it', async () => {
    const of = (version: Json, two = false): Json => {
      const crd = definition('others', { type: 'object' })
      const [first] = crd.spec.versions
      crd.spec.versions = [{ ...first, ...version }, ...(two ? [{ ...first, name: 'v2', storage: false }] : [])]
      return crd
    }
    const columns = [{ name: 'A', type: 'text', jsonPath: '.spec.a' }]
    const scale = { scale: { specReplicasPath: '.status.x', statusReplicasPath: '.status.y' } }
    const schema = { openAPIV3Schema: { properties: {} } }
    // Selectable fields beside a schema that all versions share are a case upstream's validation trips over.
    const parts = [
      { schema },
      { additionalPrinterColumns: columns },
      { subresources: scale },
      { selectableFields: [{ jsonPath: '.metadata.labels' }] },
    ]
    for (const version of parts)
      for (const two of 'selectableFields' in version ? [false] : [false, true]) {
        const answers = await Promise.all(
          both.map(async api => told(await api.post(`${crds}?dryRun=All`, of(version, two)))),
        )
        expect(answers[1]).toEqual(answers[0])
      }
  })

  test('rules that cannot be used are refused where upstream refuses them', async () => {
    const { replicas, name, tags, labels } = properties
    for (const bad of [...refused, ...unreadable]) {
      const spec = { type: 'object', properties: { replicas, name, tags, labels }, ...rules(bad) }
      const answers = await Promise.all(
        both.map(async api => told(await api.post(`${crds}?dryRun=All`, definition('others', spec)))),
      )
      const shown = unreadable.includes(bad) ? answers.map(fieldsOnly) : answers
      expect(shown[1]).toEqual(shown[0])
    }
  })
}
