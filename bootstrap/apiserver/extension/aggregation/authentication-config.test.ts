import { createPublicKey } from 'node:crypto'
import { expect, test } from '@jest/globals'
import { issueCertificate, newKey } from '../../../pki/certificate.ts'
import { trustData } from './authentication-config.ts'

const now = Date.parse('2026-01-01')
const certificate = (commonName: string, notAfter = now + 1e9) => {
  const key = newKey()
  return issueCertificate({ commonName, isCa: true, notBefore: now - 1e9, notAfter }, createPublicKey(key), key)
}

test('certificates and names of other servers stay until they expire', () => {
  const [ours, theirs, old] = [certificate('ours'), certificate('theirs'), certificate('old', now - 1)]
  const trust = { clientCa: ours, requestHeaderCa: ours, allowedNames: ['system:auth-proxy'] }
  const there = {
    'client-ca-file': theirs + old + ours,
    'requestheader-client-ca-file': 'no certificate',
    'requestheader-allowed-names': '["other"]',
  }
  const data = trustData(trust, there, now)
  expect(data['client-ca-file']).toBe(ours + theirs)
  expect(data['requestheader-client-ca-file']).toBe(ours)
  expect(data['requestheader-allowed-names']).toBe('["other","system:auth-proxy"]')
  expect(trustData(trust, data, now)).toEqual(data)
})
