import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { outermost, Session } from './kubectl.ts'
import { type RunningServer, startServer } from './server.ts'

let server: RunningServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.remove())

const schema = {
  type: 'object',
  description: 'A table of jobs.',
  required: ['spec'],
  properties: {
    spec: {
      type: 'object',
      description: 'What is wanted.',
      required: ['schedule'],
      properties: {
        schedule: { type: 'string', pattern: '^\\S+ \\S+$', description: 'When.' },
        image: { type: 'string', default: 'busybox' },
        replicas: { type: 'integer', minimum: 1, default: 1 },
        mode: { type: 'string', enum: ['a', 'b'] },
      },
    },
    status: { type: 'object', properties: { replicas: { type: 'integer' } } },
  },
}

/** Each version of kubectl gets a group of its own, so that none sees what another left. */
function definition(group: string): object {
  const age = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' }
  const version = {
    name: 'v1',
    served: true,
    storage: true,
    schema: { openAPIV3Schema: schema },
    subresources: { status: {}, scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' } },
    selectableFields: [{ jsonPath: '.spec.schedule' }],
    additionalPrinterColumns: [
      { name: 'Schedule', type: 'string', jsonPath: '.spec.schedule' },
      { name: 'Replicas', type: 'integer', jsonPath: '.spec.replicas' },
      { name: 'Image', type: 'string', jsonPath: '.spec.image', priority: 1 },
      age,
    ],
  }
  const names = { plural: 'crontabs', singular: 'crontab', kind: 'CronTab', shortNames: ['ct'], categories: ['all'] }
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `crontabs.${group}` },
    spec: { group, scope: 'Namespaced', names, versions: [version] },
  }
}

if (outermost.length === 0) test.skip('no kubectl on this machine', () => {})
describe.each(outermost)('kubectl $version', kubectl => {
  const group = `v${kubectl.minor}.example.com`
  const plural = `crontabs.${group}`
  const table = (spec: object) => ({ apiVersion: `${group}/v1`, kind: 'CronTab', metadata: { name: 'one' }, spec })
  let user: Session
  beforeAll(async () => {
    user = await Session.open(kubectl, server.kubeconfig)
    await user.ok('create', 'namespace', user.namespace)
  })
  afterAll(() => user.close())
  const k = (...words: string[]) => user.ok(...words)

  test('a new kind is there at once', async () => {
    const name = `customresourcedefinition.apiextensions.k8s.io/${plural}`
    expect(await user.given([definition(group)], 'apply', '-f', '-')).toBe(`${name} created`)
    expect(await user.given([definition(group)], 'apply', '-f', '-')).toBe(`${name} unchanged`)
    expect(await k('wait', '--for=condition=Established', `crd/${plural}`, '--timeout=10s')).toBe(
      `${name} condition met`,
    )
    expect(await k('api-resources', `--api-group=${group}`)).toMatch(
      /^crontabs +ct +v\d+\.example\.com\/v1 +true +CronTab$/m,
    )
    expect((await user.run(['get', plural])).err).toBe(`No resources found in ${user.namespace} namespace.`)
  })

  test('it is explained', async () => {
    expect(await k('explain', plural)).toMatch(/A table of jobs\.[\s\S]*\n {2,3}spec\t<Object> -required-/)
    expect(await k('explain', `${plural}.spec.schedule`)).toMatch(/When\./)
    expect(await k('explain', plural, '--recursive')).toMatch(/^ +replicas\t<integer>/m)
  })

  test('objects are made, shown, scaled, selected', async () => {
    expect(await user.given([table({ schedule: '* *' })], 'apply', '-f', '-')).toBe(`crontab.${group}/one created`)
    expect(await user.given([table({ schedule: '* *' })], 'apply', '-f', '-')).toBe(`crontab.${group}/one unchanged`)
    expect(await k('get', plural)).toMatch(/^NAME +SCHEDULE +REPLICAS +AGE\none +\* \* +1 +\d+s$/)
    expect(await k('get', plural, '-o', 'wide')).toMatch(
      /^NAME +SCHEDULE +REPLICAS +IMAGE +AGE\none +\* \* +1 +busybox +\d+s$/,
    )
    expect(await k('get', 'all')).toMatch(new RegExp(`crontab\\.${group}/one`))
    expect(await k('scale', `${plural}/one`, '--replicas=4')).toBe(`crontab.${group}/one scaled`)
    expect(await k('get', plural, 'one', '-o', 'jsonpath={.spec.replicas} {.metadata.generation}')).toBe('4 2')
    expect(await k('get', plural, '--field-selector', 'spec.schedule=* *', '-o', 'name')).toBe(`crontab.${group}/one`)
    expect(await user.fails('get', plural, '--field-selector', 'spec.mode=a')).toMatch(
      /field label not supported: spec.mode$/,
    )
    expect(await k('label', plural, 'one', 'a=b')).toBe(`crontab.${group}/one labeled`)
    expect(await k('patch', plural, 'one', '--type=merge', '-p', '{"spec":{"mode":"b"}}')).toBe(
      `crontab.${group}/one patched`,
    )
    expect(
      await user.given([table({ schedule: '* 2' })], 'apply', '--server-side', '--force-conflicts', '-f', '-'),
    ).toBe(`crontab.${group}/one serverside-applied`)
    expect(await k('describe', plural, 'one')).toMatch(/Spec:\n +Image: +busybox\n +Mode: +b\n/)
  })

  test('what is wrong is refused', async () => {
    expect(await user.givenFails([table({ schedule: 'x', replicas: 0, mode: 'z' })], 'apply', '-f', '-')).toBe(
      [
        'The CronTab "one" is invalid: ',
        '* spec.schedule: Invalid value: "x": spec.schedule in body should match \'^\\S+ \\S+$\'',
        '* spec.replicas: Invalid value: 0: spec.replicas in body should be greater than or equal to 1',
        '* spec.mode: Unsupported value: "z": supported values: "a", "b"',
      ].join('\n'),
    )
    expect(await user.givenFails([{ ...table({}), metadata: { name: 'two' } }], 'create', '-f', '-')).toMatch(
      /^The CronTab "two" is invalid: spec.schedule: Required value$/,
    )
    expect(
      await user.givenFails([{ ...table({ schedule: 5 }), metadata: { name: 'two' } }], 'create', '-f', '-'),
    ).toMatch(/spec\.schedule: Invalid value: "integer": spec\.schedule in body must be of type string: "integer"$/)
    const unknown = { ...table({ schedule: '* *', shedule: 1 }), metadata: { name: 'two' } }
    expect(await user.givenFails([unknown], 'create', '-f', '-')).toMatch(
      /CronTab in version "v1" cannot be handled as a CronTab: strict decoding error: unknown field "spec\.shedule"$/,
    )
    expect(await user.fails('patch', plural, 'one', '-p', '{"spec":{"mode":"a"}}')).toMatch(/is not supported by/)
  })

  test('it goes with its objects', async () => {
    expect(await k('delete', 'crd', plural, '--timeout=20s')).toMatch(
      new RegExp(`^customresourcedefinition.apiextensions.k8s.io "${plural}" deleted`),
    )
    expect(await user.fails('get', plural)).toMatch(
      /the server (could not find the requested resource|doesn't have a resource type)/,
    )
  })
})
