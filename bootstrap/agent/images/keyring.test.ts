import { expect, test } from '@jest/globals'
import type { Secret } from '../../client/resources.ts'
import { credentialsFor, normalizedImage } from './keyring.ts'

test.each([
  ['alpine', 'docker.io/library/alpine'],
  ['rancher/pause:3', 'docker.io/rancher/pause:3'],
  ['docker.io/a/b', 'docker.io/a/b'],
  ['localhost:5000/x', 'localhost:5000/x'],
  ['localhost/x', 'localhost/x'],
  ['ghcr.io/o/i@sha256:00', 'ghcr.io/o/i@sha256:00'],
])('%s is %s', (image, expected) => {
  expect(normalizedImage(image)).toBe(expected)
})

const secret = (auths: object): Secret => ({
  apiVersion: 'v1',
  kind: 'Secret',
  type: 'kubernetes.io/dockerconfigjson',
  metadata: { name: 's' },
  data: { '.dockerconfigjson': Buffer.from(JSON.stringify({ auths })).toString('base64') },
})
const entry = (user: string) => ({ auth: Buffer.from(`${user}:pw:x`).toString('base64') })

test.each([
  ['alpine', { 'https://index.docker.io/v1/': entry('hub') }, ['hub']],
  [
    'r.example/a/b',
    { 'r.example': entry('host'), 'r.example/a': entry('path'), 'r.example/z': entry('other') },
    ['path', 'host'],
  ],
  ['x.r.example/a', { '*.r.example': entry('glob'), 'r.example': entry('no') }, ['glob']],
  ['r.example:5000/a', { 'r.example': entry('other port') }, []],
])('credentials for %s', (image, auths, users) => {
  const found = credentialsFor(image, [secret(auths)])
  expect(found).toEqual(users.map(username => ({ username, password: 'pw:x' })))
})

test('a broken secret is passed over', () => {
  const broken = { ...secret({}), data: { '.dockerconfigjson': 'bm8=' } }
  expect(credentialsFor('alpine', [broken, secret({ 'docker.io': entry('good') })])).toHaveLength(1)
})
