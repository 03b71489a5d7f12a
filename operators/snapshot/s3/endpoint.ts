/** How a bucket is addressed and reached: endpoint, certificates, proxy (k3s pkg/etcd/s3/s3.go, minio-go's rules for endpoints). */
import { readFile } from 'node:fs/promises'
import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls'
import { proxyFor } from '../../runtime/proxy.ts'
import { S3Error } from './error.ts'
import type { S3Settings } from './settings.ts'

/** Enough for the parts of two uploads and a few small requests beside them. */
const mostConnections = 8

/** Of the service, without the bucket. S3Error for what is no host with a port. */
export function endpointUrl({ endpoint, insecure, region }: S3Settings): URL {
  const scheme = insecure ? 'http' : 'https'
  const url = URL.parse(`${scheme}://${endpoint === 's3.amazonaws.com' ? amazonHost(region) : endpoint}`)
  const bare = url && url.pathname === '/' && !endpoint.endsWith('/') && !/[@?#]/.test(endpoint)
  if (endpoint.includes('://'))
    throw new S3Error(
      `invalid etcd-s3-endpoint ${JSON.stringify(endpoint)}: want host or host:port without a scheme; etcd-s3-insecure chooses http`,
    )
  if (!bare) throw new S3Error(`invalid etcd-s3-endpoint ${JSON.stringify(endpoint)}: want host or host:port`)
  return url
}

/** Amazon's general endpoint answers for one region only. */
function amazonHost(region: string): string {
  return `s3.${region || 'us-east-1'}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`
}

/** Whether the bucket is the first part of the path; else it is one of the host's name. */
export function usesPathStyle({ endpoint, bucket, bucketLookup, insecure }: S3Settings): boolean {
  const lookup = bucketLookup.toLowerCase()
  if (lookup === 'dns') return false
  if (lookup === 'path') return true
  if (endpoint.includes('aliyun')) return false
  // A certificate for *.host does not cover bucket.with.dots.host.
  if (!insecure && bucket.includes('.')) return true
  const host = endpoint.replace(/:\d+$/, '')
  return !/(^|\.)(amazonaws\.com(\.cn)?|storage\.googleapis\.com)$/.test(host)
}

/** The proxy for this URL, by the setting or the environment. S3Error for one that makes no sense. */
export function proxyOf({ proxy }: S3Settings, url: URL, env: NodeJS.ProcessEnv): URL | undefined {
  if (proxy === 'none') return undefined
  if (proxy === '') return fromEnvironment(url, env)
  const parsed = URL.parse(proxy)
  if (!parsed) {
    if (/^[a-z][a-z0-9+.-]*:\/\/./i.test(proxy))
      throw new S3Error(`failed to parse etcd-s3-proxy value as URL: ${JSON.stringify(proxy)}`)
    throw new S3Error(`etcd-s3-proxy ${JSON.stringify(proxy)}: proxy URL must include scheme and host`)
  }
  if (parsed.host === '')
    throw new S3Error(`etcd-s3-proxy ${JSON.stringify(proxy)}: proxy URL must include scheme and host`)
  if (parsed.protocol !== 'http:' && parsed.protocol !== 'https:')
    throw new S3Error(`etcd-s3-proxy ${JSON.stringify(proxy)}: want http://HOST:PORT or https://HOST:PORT`)
  return parsed
}

function fromEnvironment(url: URL, env: NodeJS.ProcessEnv): URL | undefined {
  try {
    return proxyFor(url, env)
  } catch (error) {
    throw new S3Error(`${(error as Error).message}; etcd-s3-proxy can name another, or "none"`)
  }
}

/**
 * The certificates that vouch for the endpoint, PEM: each of the space-separated values is base64 of PEM or the path of a
 * file. Undefined for the system's. S3Error when a file cannot be read or nothing in it is a certificate.
 */
export async function endpointCas(endpointCA: string): Promise<readonly string[] | undefined> {
  if (endpointCA === '') return undefined
  const texts = await Promise.all(endpointCA.split(' ').map(readCa))
  const certificates = texts.flatMap(
    text => text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [],
  )
  if (certificates.length === 0) throw new S3Error('no certificates loaded from etcd-s3-endpoint-ca')
  return certificates
}

async function readCa(value: string): Promise<string> {
  if (/^[A-Za-z0-9+/\r\n]*={0,2}$/.test(value) && value.replace(/[\r\n]/g, '').length % 4 === 0)
    return Buffer.from(value, 'base64').toString()
  try {
    return await readFile(value, 'utf8')
  } catch (cause) {
    throw new S3Error(`cannot read etcd-s3-endpoint-ca ${value}: ${(cause as Error).message}`, { cause })
  }
}

/** Keeps connections between requests; ends them with `destroy`. */
export async function agentFor(
  settings: S3Settings,
  url: URL,
  env: NodeJS.ProcessEnv,
): Promise<HttpAgent | HttpsAgent> {
  const proxy = proxyOf(settings, url, env)?.href
  const options = {
    keepAlive: true,
    maxSockets: mostConnections,
    ...(proxy === undefined ? {} : { proxyEnv: { HTTP_PROXY: proxy, HTTPS_PROXY: proxy } }),
  }
  if (url.protocol === 'http:') return new HttpAgent(options)
  if (settings.skipSSLVerify) return new HttpsAgent({ ...options, rejectUnauthorized: false })
  return new HttpsAgent({ ...options, secureContext: trusting(await endpointCas(settings.endpointCA)) })
}

/** Made once, and not for every connection: the system's certificates are many. */
function trusting(certificates: readonly string[] | undefined): SecureContext {
  // Debian's folder has each of them three times.
  const trusted = new Set(certificates ?? getCACertificates('system'))
  return createSecureContext(trusted.size === 0 ? {} : { ca: [...trusted] })
}
