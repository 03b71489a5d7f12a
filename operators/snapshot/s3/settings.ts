/** Which bucket, and how to reach it: from the flags, or from the Secret that a flag names (k3s pkg/etcd/s3/config_secret.go). */
import { StatusError } from '../../../bootstrap/api/errors.ts'
import { parseDuration } from '../../../bootstrap/api/time.ts'
import type { ConfigMap, Secret } from '../../../bootstrap/api/types.gen.ts'
import type { Client } from '../../../bootstrap/client/client.ts'
import { configMaps, secrets } from '../../../bootstrap/client/resources.ts'
import type { Kernel } from '../../../bootstrap/userland.ts'
import { S3Error } from './error.ts'

export type S3Config = NonNullable<Kernel['config']['s3']>

/** The configuration after the Secret was read. */
export type S3Settings = Omit<S3Config, 'configSecret'>

export interface SettingsSources {
  /** Reads Secret and ConfigMap; without one a Secret is no source. */
  readonly client?: Pick<Client, 'get'>
  readonly log: { warn(fields: object, message: string): void }
}

const namespace = 'kube-system'
const defaultEndpoint = 's3.amazonaws.com'
const defaultRegion = 'us-east-1'
const defaultTimeoutMs = 300_000

/**
 * The Secret counts only while no other S3 flag but the retention says anything. Rejects with S3Error when nothing is
 * configured or the Secret cannot be read.
 */
export async function settingsOf(config: S3Config, { client, log }: SettingsSources): Promise<S3Settings> {
  const { configSecret, ...settings } = config
  if (!isBare(settings)) {
    if (configSecret !== '')
      log.warn({ secret: configSecret }, 'the S3 config Secret is ignored: other etcd-s3 flags are given')
    return settings
  }
  if (configSecret === '')
    throw new S3Error('s3 configuration was not set: want etcd-s3-bucket, or etcd-s3-config-secret')
  const failed = `failed to get config from etcd-s3-config-secret ${JSON.stringify(configSecret)}`
  if (!client)
    throw new S3Error(`${failed}: a Secret cannot be read without the cluster, give the etcd-s3 flags instead`)
  const secret = await found(client.get(secrets, { namespace, name: configSecret }), failed)
  const caName = text(secret, 'endpoint-ca-name')
  const cas = caName === '' ? undefined : await optional(client, caName, log)
  return settingsOfSecret(secret, cas, settings.retention, log)
}

/** Whether only what has defaults, or the retention, is set. */
function isBare({ endpoint, region, timeoutMs, retention: _, ...rest }: S3Settings): boolean {
  return (
    endpoint === defaultEndpoint &&
    region === defaultRegion &&
    timeoutMs === defaultTimeoutMs &&
    Object.values(rest).every(value => value === '' || value === false)
  )
}

async function found<T>(reading: Promise<T>, failed: string): Promise<T> {
  try {
    return await reading
  } catch (cause) {
    if (!(cause instanceof StatusError)) throw cause
    throw new S3Error(`${failed}: ${cause.message}`, { retriable: true, cause })
  }
}

async function optional(
  client: Pick<Client, 'get'>,
  name: string,
  log: SettingsSources['log'],
): Promise<ConfigMap | undefined> {
  try {
    return await client.get(configMaps, { namespace, name })
  } catch (error) {
    if (!(error instanceof StatusError)) throw error
    log.warn({ configMap: name, err: error.message }, 'cannot read the ConfigMap that etcd-s3-endpoint-ca-name names')
    return undefined
  }
}

const bytes = (data: string | undefined): Buffer => Buffer.from(data ?? '', 'base64')

const text = (secret: Secret, name: string): string => bytes(secret.data?.[`etcd-s3-${name}`]).toString()

/** What a Secret says; a value of the wrong form is logged and counts as not given. */
export function settingsOfSecret(
  secret: Secret,
  cas: ConfigMap | undefined,
  retention: number,
  log: SettingsSources['log'],
): S3Settings {
  const has = (name: string) => secret.data?.[`etcd-s3-${name}`] !== undefined
  const parsed = <T>(name: string, fallback: T, parse: (text: string) => T | undefined): T => {
    const value = has(name) ? parse(text(secret, name)) : fallback
    if (value === undefined)
      log.warn(
        { secret: secret.metadata?.name, key: `etcd-s3-${name}` },
        'cannot parse a value of the S3 config Secret',
      )
    return value ?? fallback
  }
  return {
    accessKey: text(secret, 'access-key'),
    bucket: text(secret, 'bucket'),
    bucketLookup: text(secret, 'bucket-lookup-type'),
    endpoint: has('endpoint') ? text(secret, 'endpoint') : defaultEndpoint,
    endpointCA: endpointCas(secret, cas),
    folder: text(secret, 'folder'),
    insecure: parsed('insecure', false, bool),
    proxy: text(secret, 'proxy'),
    region: has('region') ? text(secret, 'region') : defaultRegion,
    retention: parsed('retention', retention, integer),
    secretKey: text(secret, 'secret-key'),
    sessionToken: text(secret, 'session-token'),
    skipSSLVerify: parsed('skip-ssl-verify', false, bool),
    timeoutMs: parsed('timeout', defaultTimeoutMs, parseDuration),
  }
}

/** Inline PEM of the Secret and everything in the ConfigMap, in the form of the flag: base64 of each. */
function endpointCas(secret: Secret, cas: ConfigMap | undefined): string {
  const inline = bytes(secret.data?.['etcd-s3-endpoint-ca'])
  return [
    ...(inline.length === 0 ? [] : [inline.toString('base64')]),
    ...Object.values(cas?.data ?? {}).map(pem => Buffer.from(pem).toString('base64')),
    ...Object.values(cas?.binaryData ?? {}),
  ].join(' ')
}

/** Go's strconv.ParseBool. */
function bool(value: string): boolean | undefined {
  if (/^(1|[tT]|true|TRUE|True)$/.test(value)) return true
  return /^(0|[fF]|false|FALSE|False)$/.test(value) ? false : undefined
}

const integer = (value: string): number | undefined => (/^[-+]?\d+$/.test(value) ? Number(value) : undefined)
