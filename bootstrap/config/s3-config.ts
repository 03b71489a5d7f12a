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
  if (!values.bool('etcd-s3')) return undefined
  const text = (name: string) => values.string(`etcd-s3-${name}`) ?? ''
  const retention = values.given('etcd-s3-retention') ? 'etcd-s3-retention' : 'etcd-snapshot-retention'
  return {
    accessKey: text('access-key'),
    bucket: text('bucket'),
    bucketLookup: text('bucket-lookup-type'),
    configSecret: text('config-secret'),
    endpoint: text('endpoint'),
    endpointCA: text('endpoint-ca'),
    folder: text('folder'),
    insecure: values.bool('etcd-s3-insecure'),
    proxy: text('proxy'),
    region: text('region'),
    retention: values.int(retention) ?? defaultS3Config.retention,
    secretKey: text('secret-key'),
    sessionToken: text('session-token'),
    skipSSLVerify: values.bool('etcd-s3-skip-ssl-verify'),
    timeoutMs: parseDuration(text('timeout')) ?? defaultS3Config.timeoutMs,
  }
}
