/** The bucket that snapshots go to, as the flags etcd-s3-* say it. */

import { parseDuration } from '../api/time.ts'
import type { FlagValues } from './parse.ts'

/** Field names are those of K3s' snapshot requests (config.EtcdS3); text that was not given is empty. */
export interface S3Config {
  readonly accessKey: string
  readonly bucket: string
  /** "dns", "path", or anything else for what suits the endpoint. */
  readonly bucketLookup: string
  /** A Secret in kube-system that has all of this, used when nothing else is given. */
  readonly configSecret: string
  /** Host, with a port if need be. */
  readonly endpoint: string
  /** Paths of files or PEM in base64, separated by spaces. */
  readonly endpointCA: string
  readonly folder: string
  readonly insecure: boolean
  /** A URL, "none" for no proxy at all, or empty for that of the environment. */
  readonly proxy: string
  readonly region: string
  readonly retention: number
  readonly secretKey: string
  readonly sessionToken: string
  readonly skipSSLVerify: boolean
  /** For one upload, download or list. */
  readonly timeoutMs: number
}

/** What holds unless something else is given. */
export const defaultS3Config: S3Config = {
  accessKey: '',
  bucket: '',
  bucketLookup: '',
  configSecret: '',
  endpoint: 's3.amazonaws.com',
  endpointCA: '',
  folder: '',
  insecure: false,
  proxy: '',
  region: 'us-east-1',
  retention: 5,
  secretKey: '',
  sessionToken: '',
  skipSSLVerify: false,
  timeoutMs: 300_000,
}

/** Undefined unless --etcd-s3 is given. Without a retention of its own, S3 keeps as many as the disk does. */
export function s3Config(values: FlagValues): S3Config | undefined {
  const ownRetention = values.int('etcd-s3-retention')
  const retention = values.given('etcd-s3-retention') ? ownRetention : values.int('etcd-snapshot-retention')
  const config: S3Config = {
    accessKey: values.string('etcd-s3-access-key') ?? '',
    bucket: values.string('etcd-s3-bucket') ?? '',
    bucketLookup: values.string('etcd-s3-bucket-lookup-type') ?? '',
    configSecret: values.string('etcd-s3-config-secret') ?? '',
    endpoint: values.string('etcd-s3-endpoint') ?? '',
    endpointCA: values.string('etcd-s3-endpoint-ca') ?? '',
    folder: values.string('etcd-s3-folder') ?? '',
    insecure: values.bool('etcd-s3-insecure'),
    proxy: values.string('etcd-s3-proxy') ?? '',
    region: values.string('etcd-s3-region') ?? '',
    retention: retention ?? defaultS3Config.retention,
    secretKey: values.string('etcd-s3-secret-key') ?? '',
    sessionToken: values.string('etcd-s3-session-token') ?? '',
    skipSSLVerify: values.bool('etcd-s3-skip-ssl-verify'),
    timeoutMs: parseDuration(values.string('etcd-s3-timeout') ?? '') ?? defaultS3Config.timeoutMs,
  }
  return values.bool('etcd-s3') ? config : undefined
}
