/** The documents by which clients and the aggregator learn what is served. */
const group = 'metrics.k8s.io'
const version = 'v1beta1'
const verbs = ['get', 'list']

const resources = [
  { resource: 'nodes', kind: 'NodeMetrics', namespaced: false },
  { resource: 'pods', kind: 'PodMetrics', namespaced: true },
] as const

const groupVersion = `${group}/${version}`
const apiGroup = {
  name: group,
  versions: [{ groupVersion, version }],
  preferredVersion: { groupVersion, version },
}

/** The answer to a GET of `path`, or undefined where nothing is. */
export function documentAt(path: string, accept: string): { type: string; body: object } | undefined {
  const type = 'application/json'
  switch (path) {
    case '/apis':
      return aggregatedForm(accept) ?? { type, body: { kind: 'APIGroupList', apiVersion: 'v1', groups: [apiGroup] } }
    case `/apis/${group}`:
      return { type, body: { kind: 'APIGroup', apiVersion: 'v1', ...apiGroup } }
    case `/apis/${groupVersion}`:
      return { type, body: { kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources: listed() } }
    case '/openapi/v3':
      return { type, body: { paths: { [`apis/${groupVersion}`]: { serverRelativeURL: `${openApiPath}?hash=1` } } } }
    case openApiPath:
      return { type, body: openApi() }
    default:
      return undefined
  }
}

const openApiPath = `/openapi/v3/apis/${groupVersion}`

function listed(): object[] {
  return resources.map(({ resource, kind, namespaced }) => ({
    name: resource,
    singularName: '',
    namespaced,
    kind,
    verbs,
  }))
}

function aggregatedForm(accept: string): { type: string; body: object } | undefined {
  const form = /g=apidiscovery\.k8s\.io;v=(v2|v2beta1);as=APIGroupDiscoveryList/i.exec(accept)?.[1]
  if (form === undefined) return undefined
  const found = resources.map(({ resource, kind, namespaced }) => ({
    resource,
    responseKind: { group: '', version: '', kind },
    scope: namespaced ? 'Namespaced' : 'Cluster',
    singularResource: '',
    verbs,
  }))
  const items = [{ metadata: { name: group }, versions: [{ version, resources: found, freshness: 'Current' }] }]
  return {
    type: `application/json;g=apidiscovery.k8s.io;v=${form};as=APIGroupDiscoveryList`,
    body: { kind: 'APIGroupDiscoveryList', apiVersion: `apidiscovery.k8s.io/${form}`, metadata: {}, items },
  }
}

function openApi(): object {
  const string = (description: string) => ({ type: 'string', description })
  const usage = {
    type: 'object',
    description: 'What was used: cpu in cores, memory (working set) in bytes.',
    additionalProperties: { type: 'string', description: 'A quantity.' },
  }
  const common = {
    apiVersion: string('The version of this form of the object.'),
    kind: string('The type of the object.'),
    metadata: { type: 'object', description: 'Name, namespace and labels of the node or pod.' },
    timestamp: string('The end of the time the metrics are about.'),
    window: string('The length of that time.'),
  }
  const containers = {
    type: 'array',
    description: 'The metrics of each container.',
    items: { type: 'object', properties: { name: string('The name of the container.'), usage } },
  }
  const schemaOf = (kind: string, own: object) => ({
    type: 'object',
    properties: { ...common, ...own },
    'x-kubernetes-group-version-kind': [{ group, version, kind }],
  })
  const name = (kind: string) => `io.k8s.metrics.pkg.apis.metrics.${version}.${kind}`
  const paths = resources.map(({ resource, kind, namespaced }) => {
    const at = namespaced ? `namespaces/{namespace}/${resource}` : resource
    const content = { 'application/json': { schema: { $ref: `#/components/schemas/${name(kind)}` } } }
    const get = {
      responses: { 200: { description: 'OK', content } },
      'x-kubernetes-action': 'get',
      'x-kubernetes-group-version-kind': { group, version, kind },
    }
    return [`/apis/${groupVersion}/${at}/{name}`, { get }]
  })
  return {
    openapi: '3.0.0',
    info: { title: 'Skiff metrics', version },
    paths: Object.fromEntries(paths),
    components: {
      schemas: {
        [name('NodeMetrics')]: schemaOf('NodeMetrics', { usage }),
        [name('PodMetrics')]: schemaOf('PodMetrics', { containers }),
      },
    },
  }
}
