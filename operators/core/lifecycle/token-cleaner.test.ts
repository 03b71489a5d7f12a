import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { type Secret, secrets } from '../../../bootstrap/client/resources.ts'
import { Harness } from '../../runtime/testing/harness.ts'
import { tokenCleaner } from './token-cleaner.ts'

let harness: Harness
beforeEach(async () => {
  harness = new Harness()
  await harness.start(tokenCleaner())
})
afterEach(() => harness.stop())

const token = (id: string, expiration: string | undefined, change: object = {}): Secret => ({
  apiVersion: 'v1',
  kind: 'Secret',
  type: 'bootstrap.kubernetes.io/token',
  metadata: { name: `bootstrap-token-${id}`, namespace: 'kube-system' },
  data: expiration === undefined ? {} : { expiration: Buffer.from(expiration).toString('base64') },
  ...change,
})
const inMinutes = (minutes: number) => new Date(harness.clock.now() + minutes * 60_000).toISOString()
const names = async () => (await harness.client.list(secrets)).items.map(({ metadata }) => metadata.name)

test('expired tokens go, at their time', async () => {
  await harness.client.create(secrets, token('aaaaaa', inMinutes(5)))
  await harness.client.create(secrets, token('bbbbbb', inMinutes(-5)))
  await harness.client.create(secrets, token('cccccc', undefined))
  await harness.client.create(secrets, token('dddddd', 'nonsense'))
  const elsewhere = { metadata: { name: 'bootstrap-token-eeeeee', namespace: 'default' } }
  await harness.client.create(secrets, token('eeeeee', inMinutes(-5), elsewhere))
  await harness.client.create(secrets, token('ffffff', inMinutes(-5), { type: 'Opaque' }))
  await harness.idle()
  const lasting = ['bootstrap-token-cccccc', 'bootstrap-token-eeeeee', 'bootstrap-token-ffffff']
  expect((await names()).sort()).toEqual(['bootstrap-token-aaaaaa', ...lasting])
  await harness.advance(5 * 60_000)
  expect((await names()).sort()).toEqual(lasting)
})
