import { createPublicKey } from 'node:crypto'
import { expect, test } from '@jest/globals'
import { FakeClock } from '../client/testing/fake-clock.ts'
import { issueCertificate, newKey } from '../pki/certificate.ts'
import { keepRenewed, renewIn } from './renewal.ts'

const day = 86_400_000
const start = Date.parse('2026-01-01T00:00:00Z')
const key = newKey()
const certificate = (from: number, days: number) =>
  issueCertificate({ commonName: 'n', notBefore: from, notAfter: from + days * day }, createPublicKey(key), key)

test('a certificate of a year is renewed 120 days before its end, the first one due decides', () => {
  const year = certificate(start, 365)
  expect(renewIn([year], start)).toBe(245 * day)
  expect(renewIn([year], start + 245 * day)).toBe(0)
  expect(renewIn([year, certificate(start, 3)], start)).toBeLessThan(2.1 * day)
})

test('it is renewed while the node runs, and tried again when that fails', async () => {
  const clock = new FakeClock(start)
  const ending = new AbortController()
  const lines: string[] = []
  const log = {
    info: (_: object, line: string) => lines.push(line),
    warn: (_: object, line: string) => lines.push(line),
  }
  const outcomes: (() => string[])[] = [
    () => {
      throw new Error('no server answers')
    },
    () => [certificate(clock.now(), 365)],
  ]
  let renewals = 0
  const renew = async () => outcomes[renewals++]?.() ?? [certificate(clock.now(), 365)]
  const ended = keepRenewed([certificate(start, 365)], renew, { clock, random: () => 0, log, signal: ending.signal })
  await clock.advance(244 * day)
  expect(renewals).toBe(0)
  await clock.advance(2 * day)
  expect(lines).toEqual(['certificates not renewed yet', 'certificates renewed'])
  await clock.advance(200 * day)
  expect(renewals).toBe(2)
  ending.abort()
  await ended
})
