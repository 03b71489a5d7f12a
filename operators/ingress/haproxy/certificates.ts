/** Certificates as entries of HAProxy's crt-list: the default first, then by the names they are served for. */

import { digest } from '../digest.ts'
import type { Certificate, Model, TlsSettings } from '../model/model.ts'
import type { CertificateEntry } from './plane.ts'
import { Unrenderable } from './quote.ts'

const hostsPerLine = 40

export function certificateEntries({ certificates, defaultCertificate, tlsSettings }: Model): CertificateEntry[] {
  const standard = optionsOf(tlsSettings.get('*'))
  const entries: CertificateEntry[] = []
  if (defaultCertificate)
    entries.push({ file: 'default.pem', pem: defaultCertificate.pem, options: standard, hosts: [] })
  const taken = new Set<string>()
  for (const certificate of certificates) entries.push(...entriesOf(certificate, tlsSettings, standard, taken))
  if (defaultCertificate)
    for (const [host, settings] of tlsSettings)
      if (host !== '*' && !taken.has(host) && !covered(host, taken))
        entries.push(entry(defaultCertificate, optionsOf(settings), [host]))
  return entries
}

/** One line for the names with the usual settings, one for each other settings; the first certificate of a name wins. */
function entriesOf(
  certificate: Certificate,
  tlsSettings: ReadonlyMap<string, TlsSettings>,
  standard: string,
  taken: Set<string>,
): CertificateEntry[] {
  const groups = new Map<string, string[]>()
  const add = (options: string, host: string) => {
    if (taken.has(host) || !/^(\*\.)?[\w.-]+$/.test(host)) return
    taken.add(host)
    groups.set(options, [...(groups.get(options) ?? []), host])
  }
  for (const host of certificate.hosts) {
    const own = tlsSettings.get(host)
    add(own ? optionsOf(own) : standard, host)
    // A host with settings of its own under a wildcard's certificate.
    if (host.startsWith('*.'))
      for (const [name, settings] of tlsSettings)
        if (name.slice(name.indexOf('.')) === host.slice(1) && !name.startsWith('*')) add(optionsOf(settings), name)
  }
  return [...groups].flatMap(([options, hosts]) => chunks(hosts).map(chunk => entry(certificate, options, chunk)))
}

const covered = (host: string, taken: ReadonlySet<string>): boolean => taken.has(`*${host.slice(host.indexOf('.'))}`)

function entry({ name, pem }: Certificate, options: string, hosts: readonly string[]): CertificateEntry {
  const file = `${name.replace(/[^\w.-]/g, '_')}-${digest(`${options} ${hosts.join(' ')}`)}.pem`
  return { file, pem, options, hosts }
}

function chunks(hosts: readonly string[]): string[][] {
  const all: string[][] = []
  for (let at = 0; at < hosts.length; at += hostsPerLine) all.push(hosts.slice(at, at + hostsPerLine))
  return all
}

const versions: { readonly [name: string]: string } = {
  VersionTLS10: 'TLSv1.0',
  VersionTLS11: 'TLSv1.1',
  VersionTLS12: 'TLSv1.2',
  VersionTLS13: 'TLSv1.3',
}

/** Settings as options of a line. Names of Go's are OpenSSL's in other words. */
export function optionsOf(settings: TlsSettings | undefined): string {
  const alpn = settings && settings.alpn.length > 0 ? settings.alpn : ['h2', 'http/1.1']
  const options = [`alpn ${alpn.filter(name => /^[\w./-]+$/.test(name)).join(',')}`]
  options.push(`ssl-min-ver ${versions[settings?.minVersion ?? ''] ?? 'TLSv1.2'}`)
  const max = versions[settings?.maxVersion ?? '']
  if (max !== undefined) options.push(`ssl-max-ver ${max}`)
  if (!settings) return options.join(' ')
  const ciphers = settings.ciphers.map(opensslCipher).filter(name => name !== undefined)
  if (ciphers.length > 0) options.push(`ciphers ${ciphers.join(':')}`)
  const curves = settings.curves.map(name => name.replace(/^CurveP/, 'P-')).filter(name => /^[\w-]+$/.test(name))
  if (curves.length > 0) options.push(`curves ${curves.join(':')}`)
  if (settings.clientCa !== undefined && settings.clientAuth !== 'none')
    options.push(`ca-file certs/${digest(settings.clientCa)}.ca`, `verify ${settings.clientAuth}`)
  return options.join(' ')
}

/** TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 is ECDHE-RSA-AES128-GCM-SHA256; those of TLS 1.3 cannot be chosen. */
export function opensslCipher(name: string): string | undefined {
  if (!/^TLS_[A-Z0-9_]+$/.test(name)) throw new Unrenderable(`"${name}" is no cipher suite`)
  if (!name.includes('_WITH_')) return undefined
  return name
    .replace(/^TLS_/, '')
    .replace(/^RSA_WITH_/, '')
    .replace('_WITH_', '-')
    .replace(/AES_(128|256)_CBC/, 'AES$1')
    .replace(/AES_(128|256)/, 'AES$1')
    .replace('CHACHA20_POLY1305_SHA256', 'CHACHA20_POLY1305')
    .replace('CHACHA20_POLY1305', 'CHACHA20-POLY1305')
    .replaceAll('_', '-')
}
