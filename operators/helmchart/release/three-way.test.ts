import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { strategicMergePatch } from '../../../bootstrap/apiserver/patch/strategic.ts'
import { schemaOf } from '../../../bootstrap/apiserver/schema/models.ts'
import { deployments } from '../../../bootstrap/client/resources.ts'
import { createPatchMetas, type PatchMeta } from './patch-meta.ts'
import { type Bed, releaseBed } from './testing/bed.ts'
import { type JsonMap, mergePatch, threeWayMergePatch, threeWayPatch } from './three-way.ts'

let bed: Bed
let deployment: PatchMeta
beforeAll(async () => {
  bed = await releaseBed()
  deployment = (await createPatchMetas(bed.api)(deployments))!
})
afterAll(() => bed.stop())

const schema = schemaOf('io.k8s.api.apps.v1.Deployment')
const pod = (spec: object) => ({ spec: { template: { spec } } })

/** The patch, and what the server makes of it. */
function patched(before: JsonMap, wanted: JsonMap, live: JsonMap) {
  const patch = threeWayPatch(before, wanted, live, deployment)
  return { patch, result: strategicMergePatch(live, patch, schema) }
}

describe('strategic', () => {
  test('nothing to do, nothing sent', () => {
    const same = pod({ containers: [{ name: 'a', image: 'a' }] })
    const live = pod({ containers: [{ name: 'a', image: 'a', imagePullPolicy: 'Always' }], restartPolicy: 'Always' })
    expect(patched(same, same, live).patch).toEqual({})
  })

  test('what others added stays, what we no longer want goes', () => {
    const { result } = patched(
      pod({
        containers: [
          { name: 'a', image: 'a', env: [{ name: 'OLD', value: '1' }] },
          { name: 'b', image: 'b' },
        ],
      }),
      pod({ containers: [{ name: 'a', image: 'a2', env: [{ name: 'NEW', value: '1' }] }] }),
      pod({
        containers: [
          { name: 'side', image: 's' },
          {
            name: 'a',
            image: 'a',
            env: [
              { name: 'OLD', value: '1' },
              { name: 'THEIRS', value: '2' },
            ],
          },
          { name: 'b', image: 'b' },
        ],
      }),
    )
    expect(result).toEqual(
      pod({
        containers: [
          { name: 'side', image: 's' },
          {
            name: 'a',
            image: 'a2',
            env: [
              { name: 'NEW', value: '1' },
              { name: 'THEIRS', value: '2' },
            ],
          },
        ],
      }),
    )
  })

  test('fields that exclude each other', () => {
    const { patch, result } = patched(
      { spec: { strategy: { type: 'RollingUpdate' } } },
      { spec: { strategy: { type: 'Recreate' } } },
      { spec: { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } } } },
    )
    expect(patch).toEqual({ spec: { strategy: { type: 'Recreate', $retainKeys: ['type'] } } })
    expect(result).toEqual({ spec: { strategy: { type: 'Recreate' } } })
  })

  test('the order of a list alone is a change', () => {
    const list = (...names: string[]) => pod({ containers: names.map(name => ({ name, image: name })) })
    expect(patched(list('a', 'b'), list('b', 'a'), list('a', 'x', 'b')).result).toEqual(list('x', 'b', 'a'))
    expect(patched(list('a', 'b'), list('a', 'b'), list('a', 'x', 'b')).patch).toEqual({})
  })

  test('lists of values', () => {
    const meta = (finalizers: string[]) => ({ metadata: { finalizers } })
    const { result } = patched(meta(['a', 'b']), meta(['b', 'c']), meta(['theirs', 'a', 'b']))
    expect((result.metadata as { finalizers: string[] }).finalizers.sort()).toEqual(['b', 'c', 'theirs'])
  })

  test('items that share their key replace the list', () => {
    const ports = (...list: object[]) => pod({ containers: [{ name: 'a', ports: list }] })
    const [tcp, udp] = [
      { containerPort: 53, protocol: 'TCP' },
      { containerPort: 53, protocol: 'UDP' },
    ]
    expect(patched(ports(tcp, udp), ports(udp), ports(tcp, udp)).result).toEqual(ports(udp))
  })

  test('an item without its key is refused', () => {
    const broken = pod({ containers: [{ image: 'a' }] })
    expect(() => patched(broken, broken, pod({ containers: [] }))).toThrow(
      'map: {"image":"a"} does not contain declared merge key: name',
    )
  })

  test('null takes away what is there', () => {
    expect(patched({}, { spec: { replicas: null } }, { spec: { replicas: 3, paused: true } }).result).toEqual({
      spec: { paused: true },
    })
  })

  test('after any patch the wanted fields hold', () => {
    const random = generator(7)
    for (let round = 0; round < 500; round++) {
      const [before, wanted, theirs] = [randomPod(random), randomPod(random), randomPod(random)]
      const live = strategicMergePatch(before, theirs, schema)
      const { result } = patched(before, wanted, live)
      expect(threeWayPatch(wanted, wanted, result, deployment)).toEqual({})
    }
  })
})

test('custom resources have no merge rules', async () => {
  const metas = createPatchMetas(bed.api)
  expect(await metas({ ...deployments, group: 'example.com', kind: 'Gadget' })).toBeUndefined()
})

describe('JSON merge patches', () => {
  test('two documents', () => {
    expect(mergePatch({ a: 1, b: { c: 1, d: [1] }, e: 1 }, { a: 1, b: { c: 2, d: [1] }, f: {} })).toEqual({
      b: { c: 2 },
      e: null,
      f: {},
    })
  })

  test('three documents', () => {
    expect(
      threeWayMergePatch({ a: 1, gone: 1, never: 1 }, { a: 1, b: { c: 1 } }, { a: 2, gone: 1, b: { d: 1 }, theirs: 1 }),
    ).toEqual({ a: 1, b: { c: 1 }, gone: null })
  })
})

function generator(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff
    return (state >> 8) % below
  }
}

function randomPod(random: (below: number) => number): JsonMap {
  const names = (all: readonly string[]) => all.filter(() => random(2) === 0)
  return pod({
    ...(random(2) ? { restartPolicy: ['Always', 'Never'][random(2)] } : {}),
    nodeSelector: Object.fromEntries(names(['a', 'b', 'c']).map(key => [key, String(random(2))])),
    tolerations: names(['t', 'u']).map(key => ({ key })),
    volumes: names(['v', 'w']).map(name => (random(2) ? { name, emptyDir: {} } : { name, configMap: { name } })),
    containers: names(['x', 'y', 'z']).map(name => ({
      name,
      image: String(random(3)),
      ...(random(2) ? { args: names(['p', 'q']) } : {}),
      env: names(['A', 'B']).map(key => ({ name: key, value: String(random(2)) })),
    })),
  })
}
