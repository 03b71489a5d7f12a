/**
 * A complete operator: every Website becomes a ConfigMap, a Deployment and a Service, has its address in its status, and is
 * listed in the ConfigMap "sites" of its namespace, from which a finalizer takes it away again.
 *
 *   node examples/operator/website-operator.ts        # on the cluster that kubectl would use
 */
import { join } from 'node:path'
import Operator, { type ResourceEvent, ResourceEventType } from 'skiff/operator'

const finalizer = 'example.com/website'
const configMaps = { group: '', version: 'v1', resource: 'configmaps', kind: 'ConfigMap', namespaced: true }
const services = { group: '', version: 'v1', resource: 'services', kind: 'Service', namespaced: true }
const deployments = { group: 'apps', version: 'v1', resource: 'deployments', kind: 'Deployment', namespaced: true }

export class WebsiteOperator extends Operator {
  protected async init(): Promise<void> {
    const crd = await this.registerCustomResourceDefinition(join(import.meta.dirname, 'website.crd.yaml'))
    await this.watchResource(crd.group, 'v1', crd.plural, event => this.reconcile(event))
  }

  /** Called for each Website there is and for each change; called again, later, if it throws. */
  private async reconcile(event: ResourceEvent): Promise<void> {
    if (event.type === ResourceEventType.Deleted) return
    if (await this.handleResourceFinalizer(event, finalizer, () => this.list(event, null))) return
    const { metadata, spec, status } = event.object
    for (const [resource, object] of this.parts(event.object)) {
      const name = { name: metadata.name, namespace: metadata.namespace }
      await this.client.patch(resource, name, object, { type: 'apply', fieldManager: 'website', force: true })
    }
    const address = `http://${metadata.name}.${metadata.namespace}`
    await this.list(event, address)
    if (status?.observedGeneration === metadata.generation) return
    await this.setResourceStatus(event.meta, { address, observedGeneration: metadata.generation })
    this.logger.info(`${metadata.namespace}/${metadata.name}: ${spec.replicas} replicas at ${address}`)
  }

  /** What a Website consists of. Owned by it, so that the cluster removes them with it. */
  private parts({ apiVersion, kind, metadata: { name, namespace, uid }, spec }: ResourceEvent['object']) {
    const ownerReferences = [{ apiVersion, kind, name, uid, controller: true }]
    const metadata = { name, namespace, ownerReferences }
    const labels = { website: name }
    const container = {
      name: 'web',
      image: 'docker.io/library/busybox:1.37',
      command: ['busybox', 'httpd', '-f', '-p', '8080', '-h', '/site'],
      volumeMounts: [{ name: 'site', mountPath: '/site' }],
    }
    const pod = { containers: [container], volumes: [{ name: 'site', configMap: { name } }] }
    return [
      [configMaps, { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { 'index.html': spec.html } }],
      [
        deployments,
        {
          apiVersion: 'apps/v1',
          kind: 'Deployment',
          metadata,
          spec: {
            replicas: spec.replicas,
            selector: { matchLabels: labels },
            template: { metadata: { labels }, spec: pod },
          },
        },
      ],
      [
        services,
        {
          apiVersion: 'v1',
          kind: 'Service',
          metadata,
          spec: { selector: labels, ports: [{ port: 80, targetPort: 8080 }] },
        },
      ],
    ] as const
  }

  /** Puts the site into the namespace's list, or takes it out: something no owner reference could do. */
  private async list({ meta: { name, namespace } }: ResourceEvent, address: string | null): Promise<void> {
    const list = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'sites' }, data: { [name]: address } }
    const options = { type: 'merge' } as const
    await this.client.patch(configMaps, { name: 'sites', namespace }, list, options).catch(async error => {
      if (error.code !== 404) throw error
      if (address !== null)
        await this.client.create(configMaps, { ...list, metadata: { name: 'sites', namespace: namespace! } })
    })
  }
}

if (import.meta.main) {
  const operator = new WebsiteOperator(console, { leaderElection: { name: 'website-operator' } })
  await operator.start()
  for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => operator.stop())
}
