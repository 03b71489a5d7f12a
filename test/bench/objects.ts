/** The objects that are written: about as large as real ones. */

const filler = 'x'.repeat(16_384)

/** A ConfigMap of about 2 KB as JSON. */
export function configMap(name: string, bytes = 2048): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, labels: { app: 'bench' } },
    data: { fill: filler.slice(0, Math.max(0, bytes - 300)) },
  })
}

/** A Pod as JSON, as a ReplicaSet would make it; `fill` bytes of environment on top of about 1.5 KB once stored. */
export function pod(name: string, fill = 0): string {
  const container = {
    name: 'main',
    image: 'docker.io/library/app:1.27',
    ports: [{ containerPort: 80, protocol: 'TCP' }],
    resources: { requests: { cpu: '10m', memory: '16Mi' }, limits: { memory: '64Mi' } },
    readinessProbe: { httpGet: { path: '/ready', port: 80 }, periodSeconds: 5 },
    env: [{ name: 'FILL', value: filler.slice(0, fill) }],
  }
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app: 'bench', 'pod-template-hash': '5d4f8c7b9' } },
    spec: { containers: [container], terminationGracePeriodSeconds: 0 },
  })
}

export const configMapsPath = '/api/v1/namespaces/default/configmaps'
export const podsPath = '/api/v1/namespaces/default/pods'
