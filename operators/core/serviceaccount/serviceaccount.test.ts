import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { configMaps, namespaces, type Secret, secrets, serviceAccounts } from '../../../bootstrap/client/resources.ts'
import { Harness } from '../../runtime/testing/harness.ts'
import { defaultServiceAccounts, rootCaPublisher } from './namespace-defaults.ts'
import { tokenSecrets } from './token-secrets.ts'

let harness: Harness
beforeEach(async () => {
  harness = new Harness()
  await harness.client.create(namespaces, {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: 'shop' },
    spec: { finalizers: ['kubernetes'] },
  })
  await harness.start(defaultServiceAccounts(), rootCaPublisher('CA'), tokenSecrets('CA'))
})
afterEach(() => harness.stop())

const account = () => harness.client.get(serviceAccounts, { name: 'default', namespace: 'shop' })
const ca = () => harness.client.get(configMaps, { name: 'kube-root-ca.crt', namespace: 'shop' })

test('a namespace gets its account and the CA, and gets them back', async () => {
  expect((await ca()).data).toEqual({ 'ca.crt': 'CA' })
  const { uid } = (await account()).metadata
  await harness.client.delete(serviceAccounts, { name: 'default', namespace: 'shop' })
  await harness.client.patch(
    configMaps,
    { name: 'kube-root-ca.crt', namespace: 'shop' },
    { data: { 'ca.crt': 'x' } },
    { type: 'merge' },
  )
  await harness.idle()
  expect((await account()).metadata.uid).not.toBe(uid)
  expect((await ca()).data).toEqual({ 'ca.crt': 'CA' })
})

test('a terminating namespace gets nothing', async () => {
  await harness.client.delete(namespaces, { name: 'shop' })
  await harness.client.delete(serviceAccounts, { name: 'default', namespace: 'shop' })
  await harness.idle()
  await expect(account()).rejects.toThrow('not found')
})

const secret: Secret = {
  apiVersion: 'v1',
  kind: 'Secret',
  type: 'kubernetes.io/service-account-token',
  metadata: { name: 't', namespace: 'shop', annotations: { 'kubernetes.io/service-account.name': 'default' } },
}
const base64 = (text: string) => Buffer.from(text).toString('base64')

test('a token Secret is filled, and goes with its account', async () => {
  await harness.client.create(secrets, secret)
  await harness.idle()
  const { uid = '' } = (await account()).metadata
  const filled = await harness.client.get(secrets, { name: 't', namespace: 'shop' })
  expect(filled.data).toEqual({ 'ca.crt': base64('CA'), namespace: base64('shop'), token: base64('token-of-default') })
  expect(filled.metadata.annotations?.['kubernetes.io/service-account.uid']).toBe(uid)
  await harness.client.delete(serviceAccounts, { name: 'default', namespace: 'shop' })
  await harness.idle()
  await expect(harness.client.get(secrets, { name: 't', namespace: 'shop' })).rejects.toThrow('not found')
})

test('a token Secret of no account is deleted, other Secrets stay', async () => {
  const annotations = { 'kubernetes.io/service-account.name': 'nobody' }
  await harness.client.create(secrets, { ...secret, metadata: { ...secret.metadata, annotations } })
  await harness.client.create(secrets, {
    ...secret,
    type: 'Opaque',
    metadata: { name: 'other', namespace: 'shop', annotations },
  })
  await harness.idle()
  expect([...harness.client.store.table('/secrets').keys()]).toEqual(['shop/other'])
})
