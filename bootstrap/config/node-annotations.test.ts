import { expect, test } from '@jest/globals'
import { configAnnotations } from './node-annotations.ts'

test('arguments and variables are told without their secrets', () => {
  const args = [
    'server',
    '--disable=traefik',
    '--token=abc',
    '--datastore-endpoint',
    'postgres://me:pw@h/db',
    '--etcd-s3-proxy=http://me:pw@h:3128',
    '--debug',
  ]
  const env = {
    K3S_URL: 'https://a:6443',
    K3S_TOKEN: 'abc',
    PATH: '/bin',
    K3S_DATASTORE_ENDPOINT: 'mysql://me:pw@h/db',
  }
  const told = configAnnotations(args, env)
  expect(told['k3s.io/node-args']).toBe(
    '["server","--disable","traefik","--token","********","--datastore-endpoint","********","--etcd-s3-proxy","********","--debug"]',
  )
  expect(told['k3s.io/node-env']).toBe(
    '{"K3S_DATASTORE_ENDPOINT":"********","K3S_TOKEN":"********","K3S_URL":"https://a:6443"}',
  )
  expect(JSON.stringify(told)).not.toMatch(/abc|pw/)
})

test('the hash is the one others compute: base32 of SHA-256', () => {
  // printf '["server"]{}' | sha256sum | xxd -r -p | base32 -w 0
  expect(configAnnotations(['server'], {})['k3s.io/node-config-hash']).toBe(
    'MLFMUCBMRVINLJJKSG32TOUFWB4CN55GMSNY25AZPESQXZCYRN2A====',
  )
})
