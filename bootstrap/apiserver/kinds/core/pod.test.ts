import { describe, expect, test } from '@jest/globals'
import { fieldErrorText } from '../../../api/errors.ts'
import { cells, create, objectOf, testNow, update, updateStatus } from '../harness.ts'
import { pod } from './pod.ts'
import { resizeErrors } from './pod-resize.ts'

const podOf = (spec: object, rest: object = {}) => objectOf('v1', 'Pod', { spec, ...rest })
const simple = (container: object = {}, spec: object = {}) =>
  podOf({ containers: [{ name: 'c', image: 'nginx', ...container }], ...spec })

describe('defaults', () => {
  test('a minimal pod is completed as upstream does', () => {
    const { object, errors } = create(
      pod,
      simple({ ports: [{ containerPort: 80 }], readinessProbe: { httpGet: { port: 80 } } }),
    )
    expect(errors).toEqual([])
    expect(object).toMatchObject({
      spec: {
        containers: [
          {
            name: 'c',
            image: 'nginx',
            imagePullPolicy: 'Always',
            terminationMessagePath: '/dev/termination-log',
            terminationMessagePolicy: 'File',
            resources: {},
            ports: [{ containerPort: 80, protocol: 'TCP' }],
            readinessProbe: {
              httpGet: { port: 80, path: '/', scheme: 'HTTP' },
              timeoutSeconds: 1,
              periodSeconds: 10,
              successThreshold: 1,
              failureThreshold: 3,
            },
          },
        ],
        dnsPolicy: 'ClusterFirst',
        restartPolicy: 'Always',
        schedulerName: 'default-scheduler',
        securityContext: {},
        terminationGracePeriodSeconds: 30,
        enableServiceLinks: true,
      },
      status: { phase: 'Pending', qosClass: 'BestEffort' },
    })
  })

  test.each([
    ['nginx', 'Always'],
    ['nginx:latest', 'Always'],
    ['localhost:5000/nginx', 'Always'],
    ['nginx:1.27', 'IfNotPresent'],
    ['localhost:5000/nginx:1', 'IfNotPresent'],
    ['nginx@sha256:0000000000000000000000000000000000000000000000000000000000000000', 'IfNotPresent'],
  ])('pull policy of %s is %s', (image, policy) => {
    const { object } = create(pod, simple({ image }))
    expect(object).toMatchObject({ spec: { containers: [{ imagePullPolicy: policy }] } })
  })

  test.each([
    [{ limits: { cpu: '1', memory: '1Gi' } }, 'Guaranteed'],
    [{ limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '500m' } }, 'Burstable'],
    [{ requests: { cpu: '1' } }, 'Burstable'],
    [{}, 'BestEffort'],
  ])('quality of service of %j is %s', (resources, qosClass) => {
    expect(create(pod, simple({ resources })).object).toMatchObject({ status: { qosClass } })
  })

  test('requests follow limits and are written canonically', () => {
    const { object } = create(pod, simple({ resources: { limits: { cpu: '0.5', memory: '1024Ki' } } }))
    expect(object).toMatchObject({
      spec: { containers: [{ resources: { requests: { cpu: '500m', memory: '1Mi' } } }] },
    })
  })

  test('a volume without a source is an emptyDir, others get their mode', () => {
    const volumes = [{ name: 'a' }, { name: 'b', configMap: { name: 'm' } }]
    expect(create(pod, simple({}, { volumes })).object).toMatchObject({
      spec: {
        volumes: [
          { name: 'a', emptyDir: {} },
          { name: 'b', configMap: { name: 'm', defaultMode: 420 } },
        ],
      },
    })
  })

  test('host ports follow container ports on the host network', () => {
    const { object, errors } = create(pod, simple({ ports: [{ containerPort: 80 }] }, { hostNetwork: true }))
    expect(object).toMatchObject({ spec: { containers: [{ ports: [{ hostPort: 80 }] }] } })
    expect(errors).toEqual([])
  })

  test('a client cannot set the status of a new pod', () => {
    const object = { ...simple(), status: { phase: 'Running', podIP: '10.0.0.1' } }
    expect(create(pod, object).object.status).toEqual({ phase: 'Pending', qosClass: 'BestEffort' })
  })

  test('a gated pod says so', () => {
    const { object } = create(pod, simple({}, { schedulingGates: [{ name: 'a.b/c' }] }))
    expect(object).toMatchObject({ status: { conditions: [{ type: 'PodScheduled', reason: 'SchedulingGated' }] } })
  })

  test('matchLabelKeys become requirements', () => {
    const term = { topologyKey: 'zone', labelSelector: {}, matchLabelKeys: ['app'] }
    const spec = { affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } } }
    const object = { ...simple({}, spec), metadata: { name: 'x', labels: { app: 'a' } } }
    expect(JSON.stringify(create(pod, object).object)).toContain('{"key":"app","operator":"In","values":["a"]}')
  })
})

const dnsLabelText =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"

describe('validation', () => {
  const mounted = { volumeMounts: [{ name: 'v', mountPath: '/v' }] }
  const invalid: [string, object, string[]][] = [
    ['no containers', podOf({}), ['spec.containers: Required value']],
    ['no name', podOf({ containers: [{ image: 'a' }] }), ['spec.containers[0].name: Required value']],
    ['no image', podOf({ containers: [{ name: 'a' }] }), ['spec.containers[0].image: Required value']],
    ['bad name', simple({ name: 'A' }), [`spec.containers[0].name: Invalid value: "A": ${dnsLabelText}`]],
    [
      'two of a name',
      podOf({
        containers: [
          { name: 'a', image: 'i' },
          { name: 'a', image: 'i' },
        ],
      }),
      ['spec.containers[1].name: Duplicate value: "a"'],
    ],
    [
      'bad port',
      simple({ ports: [{ containerPort: 70000, protocol: 'X' }] }),
      [
        'spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive',
        'spec.containers[0].ports[0].protocol: Unsupported value: "X": supported values: "SCTP", "TCP", "UDP"',
      ],
    ],
    [
      'host port twice',
      simple({
        ports: [
          { containerPort: 80, hostPort: 80 },
          { containerPort: 81, hostPort: 80 },
        ],
      }),
      ['spec.containers[0].ports[1].hostPort: Duplicate value: "TCP//80"'],
    ],
    [
      'environment without source',
      simple({ env: [{ name: 'A', valueFrom: {} }] }),
      [
        'spec.containers[0].env[0].valueFrom: Invalid value: "": must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`',
      ],
    ],
    [
      'unknown field in the environment',
      simple({ env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'status.phase' } } }] }),
      [
        'spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Unsupported value: "status.phase": supported values: "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"',
      ],
    ],
    ['mount of nothing', simple(mounted), ['spec.containers[0].volumeMounts[0].name: Not found: "v"']],
    [
      'two sources',
      simple({}, { volumes: [{ name: 'v', emptyDir: {}, hostPath: { path: '/x' } }] }),
      ['spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type'],
    ],
    [
      'request over limit',
      simple({ resources: { requests: { cpu: '2' }, limits: { cpu: '100m' } } }),
      ['spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 100m'],
    ],
    [
      'unknown resource',
      simple({ resources: { limits: { disk: '1' } } }),
      [
        'spec.containers[0].resources.limits[disk]: Invalid value: "disk": must be a standard resource for containers',
        'spec.containers[0].resources.requests[disk]: Invalid value: "disk": must be a standard resource for containers',
      ],
    ],
    [
      'restart policy',
      simple({}, { restartPolicy: 'Sometimes' }),
      ['spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"'],
    ],
    [
      'dns None without servers',
      simple({}, { dnsPolicy: 'None' }),
      ['spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None'],
    ],
    [
      'probe without handler',
      simple({ livenessProbe: {} }),
      ['spec.containers[0].livenessProbe: Required value: must specify a handler type'],
    ],
    [
      'liveness threshold',
      simple({ livenessProbe: { exec: { command: ['a'] }, successThreshold: 2 } }),
      ['spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1'],
    ],
    [
      'probe of an init container',
      simple({}, { initContainers: [{ name: 'i', image: 'i', readinessProbe: { exec: { command: ['a'] } } }] }),
      [
        'spec.initContainers[0].readinessProbe: Forbidden: may not be set for init containers without restartPolicy=Always',
      ],
    ],
    [
      'toleration without key',
      simple({}, { tolerations: [{ operator: 'Equal', value: 'a' }] }),
      [
        'spec.tolerations[0].operator: Invalid value: "Equal": operator must be Exists when `key` is empty, which means "match all values and all keys"',
      ],
    ],
    [
      'affinity weight',
      simple({}, { affinity: { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 0 }] } } }),
      [
        'spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: Invalid value: 0: must be in the range 1-100',
      ],
    ],
    [
      'user id',
      simple({ securityContext: { runAsUser: -1 } }),
      ['spec.containers[0].securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive'],
    ],
    [
      'ephemeral containers on create',
      simple({}, { ephemeralContainers: [{ name: 'e', image: 'i' }] }),
      ['spec.ephemeralContainers: Forbidden: cannot be set on create'],
    ],
  ]
  test.each(invalid)('%s', (_name, object, errors) => {
    expect(create(pod, object as ReturnType<typeof simple>).errors).toEqual(errors)
  })
})

describe('updates', () => {
  const stored = create(pod, simple()).object
  const change = (edit: (spec: ReturnType<typeof JSON.parse>) => void) => update(pod, stored, draft => edit(draft.spec))

  test('image, deadline and added tolerations may change', () => {
    const { errors } = change(spec => {
      spec.containers[0].image = 'nginx:2'
      spec.activeDeadlineSeconds = 10
      spec.tolerations = [{ key: 'a', operator: 'Exists' }]
    })
    expect(errors).toEqual([])
  })

  test('nothing else may', () => {
    const { errors } = change(spec => {
      spec.hostname = 'other'
    })
    expect(errors).toEqual([
      'spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n+ spec.hostname: "other"',
    ])
  })

  test('containers stay as many', () => {
    const { errors } = change(spec => spec.containers.push({ name: 'd', image: 'i' }))
    expect(errors).toEqual(['spec.containers: Forbidden: pod updates may not add or remove containers'])
  })

  test('the status stays', () => {
    const { object } = update(pod, stored, draft => {
      draft.status = { phase: 'Running' }
    })
    expect(object.status).toEqual(stored.status)
  })

  test('a status update keeps the class of service', () => {
    const { object } = updateStatus(pod, stored, { phase: 'Running' })
    expect(object.status).toEqual({ phase: 'Running', qosClass: 'BestEffort' })
  })

  test('a finished container of a pod that never restarts stays finished', () => {
    const status = { containerStatuses: [{ name: 'c', state: { terminated: { exitCode: 0 } } }] }
    const old = { ...create(pod, simple({}, { restartPolicy: 'Never' })).object, status }
    const { errors } = updateStatus(pod, old, { containerStatuses: [{ name: 'c', state: { running: {} } }] })
    expect(errors).toEqual([
      'status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state',
    ])
  })

  test('a resize changes cpu and memory within the class of service', () => {
    const sized = (resources: object) => create(pod, simple({ resources })).object as never
    const old = sized({ requests: { cpu: '1', 'example.com/gpu': '1' }, limits: { 'example.com/gpu': '1' } })
    const resized = (resources: object) => [...resizeErrors(sized(resources), old)].map(fieldErrorText)
    const gpu = { 'example.com/gpu': '1' }
    expect(resized({ requests: { cpu: '2', ...gpu }, limits: gpu })).toEqual([])
    expect(resized({ requests: { ...gpu }, limits: gpu })).toEqual([
      'spec: Invalid value: "BestEffort": Pod QOS Class may not change as a result of resizing',
      'spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed',
    ])
    expect(resized({ requests: { cpu: '1' } })).toContain(
      'spec.containers[0].resources.limits: Forbidden: only cpu and memory resources are mutable',
    )
  })
})

test.each([
  [{ spec: {} }, undefined, 0],
  [{ spec: { nodeName: 'n', terminationGracePeriodSeconds: 30 } }, undefined, 30],
  [{ spec: { nodeName: 'n', terminationGracePeriodSeconds: 30 } }, 5, 5],
  [{ spec: { nodeName: 'n', terminationGracePeriodSeconds: -5 } }, undefined, 1],
  [{ spec: { nodeName: 'n' }, status: { phase: 'Failed' } }, 5, 0],
])('grace of %j asked for %p is %d seconds', (fields, asked, seconds) => {
  expect(pod.gracefulDelete?.seconds(objectOf('v1', 'Pod', fields), asked)).toBe(seconds)
})

describe('table', () => {
  const ago = (ms: number) => new Date(testNow - ms).toISOString()
  const row = (spec: object, status: object, metadata: object = {}) =>
    cells(
      pod,
      objectOf('v1', 'Pod', { spec, status, metadata: { name: 'x', creationTimestamp: ago(60_000), ...metadata } }),
    )
  const one = { containers: [{ name: 'c' }] }

  test('a running pod', () => {
    const containerStatuses = [
      {
        name: 'c',
        ready: true,
        restartCount: 3,
        state: { running: {} },
        lastState: { terminated: { finishedAt: ago(300_000) } },
      },
    ]
    const status = { phase: 'Running', podIPs: [{ ip: '10.42.0.2' }], containerStatuses }
    expect(row({ ...one, nodeName: 'n' }, status)).toEqual({
      Name: 'x',
      Ready: '1/1',
      Status: 'Running',
      Restarts: '3 (5m ago)',
      Age: '60s',
      IP: '10.42.0.2',
      Node: 'n',
      'Nominated Node': '<none>',
      'Readiness Gates': '<none>',
    })
  })

  const states: [string, object, object, object, string][] = [
    ['phase', one, { phase: 'Pending' }, {}, 'Pending'],
    ['reason over phase', one, { phase: 'Failed', reason: 'Evicted' }, {}, 'Evicted'],
    [
      'gated',
      one,
      { phase: 'Pending', conditions: [{ type: 'PodScheduled', reason: 'SchedulingGated' }] },
      {},
      'SchedulingGated',
    ],
    [
      'waiting',
      one,
      { phase: 'Running', containerStatuses: [{ name: 'c', state: { waiting: { reason: 'CrashLoopBackOff' } } }] },
      {},
      'CrashLoopBackOff',
    ],
    [
      'exit code',
      one,
      { phase: 'Failed', containerStatuses: [{ name: 'c', state: { terminated: { exitCode: 7 } } }] },
      {},
      'ExitCode:7',
    ],
    [
      'signal',
      one,
      { phase: 'Failed', containerStatuses: [{ name: 'c', state: { terminated: { exitCode: 137, signal: 9 } } }] },
      {},
      'Signal:9',
    ],
    [
      'init progress',
      { ...one, initContainers: [{ name: 'i' }, { name: 'j' }] },
      {
        phase: 'Pending',
        initContainerStatuses: [
          { name: 'i', state: { terminated: { exitCode: 0 } } },
          { name: 'j', state: { running: {} } },
        ],
      },
      {},
      'Init:1/2',
    ],
    [
      'init error',
      { ...one, initContainers: [{ name: 'i' }] },
      {
        phase: 'Pending',
        initContainerStatuses: [{ name: 'i', state: { terminated: { exitCode: 1, reason: 'Error' } } }],
      },
      {},
      'Init:Error',
    ],
    ['deleted', one, { phase: 'Running' }, { deletionTimestamp: ago(0) }, 'Terminating'],
    ['deleted but finished', one, { phase: 'Succeeded' }, { deletionTimestamp: ago(0) }, 'Succeeded'],
    ['node lost', one, { phase: 'Running', reason: 'NodeLost' }, { deletionTimestamp: ago(0) }, 'Unknown'],
  ]
  test.each(states)('status cell: %s', (_name, spec, status, metadata, text) => {
    expect(row(spec, status, metadata).Status).toBe(text)
  })

  test('finished containers beside a running one', () => {
    const containerStatuses = [
      { name: 'a', state: { terminated: { exitCode: 0, reason: 'Completed' } } },
      { name: 'b', ready: true, state: { running: {} } },
    ]
    const status = { phase: 'Running', containerStatuses }
    expect(row({ containers: [{}, {}] }, status).Status).toBe('NotReady')
    const ready = { ...status, conditions: [{ type: 'Ready', status: 'True' }] }
    expect(row({ containers: [{}, {}] }, ready)).toMatchObject({ Status: 'Running', Ready: '1/2' })
  })

  test('finished pods carry the Completed condition', () => {
    const done = objectOf('v1', 'Pod', { status: { phase: 'Succeeded' } })
    expect(pod.table?.conditions?.(done)).toMatchObject([{ type: 'Completed', reason: 'Succeeded' }])
  })
})
