/** TLSOption as settings. */
import type { TlsSettings } from '../model/model.ts'
import type { Sources } from '../sources.ts'
import type { TlsOption } from './types.ts'

export function tlsSettingsOf(option: TlsOption, { secret, report }: Pick<Sources, 'secret' | 'report'>): TlsSettings {
  const { spec } = option
  const { namespace = '' } = option.metadata
  const authorities = (spec.clientAuth?.secretNames ?? []).map(name => {
    const data = secret(namespace, name)?.data ?? {}
    const pem = data['tls.ca'] ?? data['ca.crt'] ?? data['tls.crt']
    if (pem === undefined)
      report({
        owner: option,
        reason: 'SecretNotFound',
        message: `secret ${namespace}/${name} does not exist or has no tls.ca`,
      })
    return Buffer.from(pem ?? '', 'base64').toString()
  })
  const ca = authorities.join('\n').trim()
  const required = ['RequireAndVerifyClientCert', 'RequireAnyClientCert']
  const mode =
    spec.clientAuth?.clientAuthType ?? (authorities.length > 0 ? 'RequireAndVerifyClientCert' : 'NoClientCert')
  return {
    minVersion: spec.minVersion,
    maxVersion: spec.maxVersion,
    ciphers: spec.cipherSuites ?? [],
    curves: spec.curvePreferences ?? [],
    alpn: spec.alpnProtocols ?? [],
    clientCa: ca === '' ? undefined : `${ca}\n`,
    clientAuth: required.includes(mode) ? 'required' : mode === 'NoClientCert' ? 'none' : 'optional',
  }
}
