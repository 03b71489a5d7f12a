/** Charts made at random, changed by others between upgrades, compared with Helm 4 (helm-pair.ts). */
import { describe, test } from '@jest/globals'
import { yaml } from '../../operators/helmchart/release/testing/charts.ts'
import { asHelm, install, patchWeb, same, sides, upgrade } from './helm-pair.ts'

const rounds = 3

asHelm(() => {
  describe.each(sides)('server-side %s', serverSide => {
    test.each(Array.from({ length: rounds }, (_, round) => round + 1))('chart %i', round => {
      const make = generator(round * 7919)
      return same(
        install(make.documents(), { serverSide }),
        patchWeb(make.change()),
        upgrade(make.documents()),
        patchWeb(make.change()),
        upgrade(make.documents()),
      )
    })
  })
})

function generator(seed: number) {
  let state = seed
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff
    return (state >> 8) % below
  }
  const some = <T>(all: readonly T[]): T[] => all.filter(() => random(2) === 0)
  const one = <T>(all: readonly T[]): T => all[random(all.length)]!
  const maybe = (fields: object): object => (random(2) ? fields : {})
  const keys = (names: readonly string[]) => Object.fromEntries(some(names).map(name => [name, `v${random(2)}`]))

  const container = (name: string) => ({
    name,
    image: one(['a', 'b']),
    ...maybe({ args: some(['x', 'y']) }),
    ...maybe({
      env: some(['A', 'B', 'C']).map(key =>
        random(3)
          ? { name: key, value: one(['1', '2']) }
          : { name: key, valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
      ),
    }),
    ...maybe({
      ports: some([{ containerPort: 80 }, { containerPort: 81, name: 'p81' }, { containerPort: 53, protocol: 'UDP' }]),
    }),
    ...maybe({
      resources: { ...maybe({ limits: { cpu: one(['1', '500m']) } }), ...maybe({ requests: { memory: '1Gi' } }) },
    }),
    ...maybe({ volumeMounts: some(['v', 'w']).map(volume => ({ name: volume, mountPath: `/${volume}` })) }),
    ...maybe({ livenessProbe: one([{ httpGet: { path: '/', port: 80 } }, { exec: { command: ['x'] } }]) }),
    ...maybe({
      securityContext: { ...maybe({ capabilities: { add: some(['A', 'B']) } }), ...maybe({ runAsUser: 5 }) },
    }),
  })

  const podSpec = () => ({
    containers: ['x', ...some(['y', 'z'])].reverse().map(container),
    ...maybe({ initContainers: some(['i', 'j']).map(name => ({ name, image: 'i' })) }),
    volumes: ['v', 'w', ...some(['u'])].map(name => ({
      name,
      ...one<object>([{ emptyDir: {} }, { emptyDir: { medium: 'Memory' } }, { configMap: { name: 'c' } }]),
    })),
    ...maybe({
      tolerations: some([
        { key: 'a', operator: 'Exists' },
        { key: 'b', value: 'c' },
      ]),
    }),
    ...maybe({ imagePullSecrets: some(['p', 'q']).map(name => ({ name })) }),
    ...maybe({ hostAliases: some(['192.0.2.1', '192.0.2.2']).map(ip => ({ ip, hostnames: some(['h', 'g']) })) }),
    ...maybe({ nodeSelector: keys(['k', 'l']) }),
    ...maybe({ securityContext: { ...maybe({ fsGroup: 3 }), ...maybe({ supplementalGroups: some([1, 2, 3]) }) } }),
  })

  const metadata = (name: string) => ({
    name,
    ...maybe({ labels: keys(['l1', 'l2']) }),
    ...maybe({ annotations: keys(['a1', 'a2']) }),
    ...maybe({ finalizers: some(['example.com/a', 'example.com/b']) }),
  })

  const deployment = () => ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: metadata('web'),
    spec: {
      ...maybe({ replicas: random(3) }),
      selector: { matchLabels: { app: 'web' } },
      ...maybe({
        strategy: one<object>([{ type: 'Recreate' }, { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } }]),
      }),
      template: { metadata: { labels: { app: 'web', ...maybe({ more: 'x' }) } }, spec: podSpec() },
    },
  })

  const service = () => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadata('web'),
    spec: {
      selector: { app: 'web', ...maybe({ x: 'y' }) },
      ports: [
        { name: 'h', port: 80, ...maybe({ targetPort: one([80, 'p']) }) },
        ...some([{ name: 'u', port: 53, protocol: 'UDP' }]),
      ],
    },
  })

  return {
    documents: () => [yaml(deployment()), yaml(service())],
    /** What somebody else does to the Deployment. */
    change: () => ({
      metadata: { labels: maybe({ theirs: 'x' }) },
      spec: {
        ...maybe({ replicas: 7 }),
        template: {
          spec: {
            containers: some(['x', 'side']).map(name => ({
              name,
              image: 'theirs',
              env: some(['A', 'T']).map(key => ({ name: key, value: 't' })),
            })),
          },
        },
      },
    }),
  }
}
