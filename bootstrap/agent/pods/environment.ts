/** A container's environment from all its sources, in kubelet's order: services, envFrom, env. */
import type { Container, EnvVar } from '../../api/types.gen.ts'
import type { ConfigMap, Pod, Secret, Service } from '../../client/resources.ts'
import { expand } from './expand.ts'
import { FieldError, type NodeAllocatable, type PodAddresses, podField, resourceField } from './fields.ts'

export interface EnvironmentSources {
  configMap(namespace: string, name: string): Promise<ConfigMap | undefined>
  secret(namespace: string, name: string): Promise<Secret | undefined>
  readonly services: readonly Service[]
  readonly addresses: PodAddresses
  readonly node: NodeAllocatable
}

/** A container that cannot be configured; becomes CreateContainerConfigError with this message. */
export class ConfigurationError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'ConfigurationError'
  }
}

type Environment = { [name: string]: string }

const validName = /^[^=\0]+$/

/** Names and values in order of definition. Throws ConfigurationError for what is missing. */
export async function containerEnvironment(
  pod: Pod,
  container: Container,
  sources: EnvironmentSources,
): Promise<Environment> {
  const namespace = pod.metadata.namespace ?? ''
  const services = serviceEnvironment(pod, sources.services)
  const result: Environment = {}
  for (const source of container.envFrom ?? []) {
    const { prefix = '', configMapRef, secretRef } = source
    if (configMapRef) {
      const found = await sources.configMap(namespace, configMapRef.name ?? '')
      if (!found && !configMapRef.optional) throw new ConfigurationError(`configmap "${configMapRef.name}" not found`)
      addAll(result, prefix, found?.data ?? {})
    }
    if (secretRef) {
      const found = await sources.secret(namespace, secretRef.name ?? '')
      if (!found && !secretRef.optional) throw new ConfigurationError(`secret "${secretRef.name}" not found`)
      addAll(result, prefix, decoded(found))
    }
  }
  for (const variable of container.env ?? []) {
    const value = variable.valueFrom
      ? await valueFrom(pod, container, variable, sources)
      : expand(variable.value ?? '', { ...services, ...result })
    if (value !== undefined) result[variable.name] = value
  }
  for (const [name, value] of Object.entries(services)) result[name] ??= value
  return result
}

function addAll(result: Environment, prefix: string, values: Environment): void {
  for (const key of Object.keys(values).sort()) if (validName.test(prefix + key)) result[prefix + key] = values[key]!
}

function decoded(secret: Secret | undefined): Environment {
  const entries = Object.entries(secret?.data ?? {})
  return Object.fromEntries(entries.map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')]))
}

async function valueFrom(
  pod: Pod,
  container: Container,
  variable: EnvVar,
  sources: EnvironmentSources,
): Promise<string | undefined> {
  const namespace = pod.metadata.namespace ?? ''
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef } = variable.valueFrom!
  try {
    if (fieldRef) return podField(pod, fieldRef.fieldPath, sources.addresses)
    if (resourceFieldRef)
      return resourceField(
        containerNamed(pod, resourceFieldRef.containerName, container),
        resourceFieldRef,
        sources.node,
      )
  } catch (error) {
    if (error instanceof FieldError) throw new ConfigurationError(error.message)
    throw error
  }
  if (configMapKeyRef) {
    const { name = '', key, optional } = configMapKeyRef
    const found = await sources.configMap(namespace, name)
    if (!found && !optional) throw new ConfigurationError(`configmap "${name}" not found`)
    const value = found?.data?.[key]
    if (found && value === undefined && !optional)
      throw new ConfigurationError(`couldn't find key ${key} in ConfigMap ${namespace}/${name}`)
    return value
  }
  if (secretKeyRef) {
    const { name = '', key, optional } = secretKeyRef
    const found = await sources.secret(namespace, name)
    if (!found && !optional) throw new ConfigurationError(`secret "${name}" not found`)
    const value = decoded(found)[key]
    if (found && value === undefined && !optional)
      throw new ConfigurationError(`couldn't find key ${key} in Secret ${namespace}/${name}`)
    return value
  }
  return undefined
}

/** The container a resourceFieldRef names, by default the one it stands in. */
export function containerNamed(pod: Pod, name: string | undefined, fallback: Container): Container {
  if (!name) return fallback
  const found = [...(pod.spec.initContainers ?? []), ...pod.spec.containers].find(container => container.name === name)
  if (!found) throw new FieldError(`container ${name} not found`)
  return found
}

/** Docker-links style variables of the namespace's services, and always those of default/kubernetes. */
export function serviceEnvironment(pod: Pod, services: readonly Service[]): Environment {
  const links = pod.spec.enableServiceLinks !== false
  const chosen = new Map<string, Service>()
  for (const service of services) {
    const { name = '', namespace } = service.metadata
    const ip = service.spec?.clusterIP
    if (!ip || ip === 'None') continue
    const isMaster = namespace === 'default' && name === 'kubernetes'
    if (links && namespace === pod.metadata.namespace) chosen.set(name, service)
    else if (isMaster && !chosen.has(name)) chosen.set(name, service)
  }
  const result: Environment = {}
  for (const name of [...chosen.keys()].sort()) Object.assign(result, variablesOf(name, chosen.get(name)!))
  return result
}

function variablesOf(name: string, service: Service): Environment {
  const prefix = name.replaceAll('-', '_').toUpperCase()
  const ip = service.spec?.clusterIP ?? ''
  const host = ip.includes(':') ? `[${ip}]` : ip
  const ports = service.spec?.ports ?? []
  const first = ports[0]
  if (!first) return { [`${prefix}_SERVICE_HOST`]: ip }
  const result: Environment = { [`${prefix}_SERVICE_HOST`]: ip, [`${prefix}_SERVICE_PORT`]: String(first.port) }
  for (const port of ports)
    if (port.name) result[`${prefix}_SERVICE_PORT_${port.name.replaceAll('-', '_').toUpperCase()}`] = String(port.port)
  const url = (port: typeof first) => `${(port.protocol ?? 'TCP').toLowerCase()}://${host}:${port.port}`
  result[`${prefix}_PORT`] = url(first)
  for (const port of ports) {
    const protocol = port.protocol ?? 'TCP'
    const portPrefix = `${prefix}_PORT_${port.port}_${protocol}`
    result[portPrefix] = url(port)
    result[`${portPrefix}_PROTO`] = protocol.toLowerCase()
    result[`${portPrefix}_PORT`] = String(port.port)
    result[`${portPrefix}_ADDR`] = ip
  }
  return result
}
