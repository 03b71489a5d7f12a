import { expect, test } from '@jest/globals'
import { parseKubeconfig } from './kubeconfig.ts'

const base64 = (text: string) => Buffer.from(text).toString('base64')

const config = `
apiVersion: v1
kind: Config
current-context: main
contexts:
- {name: main, context: {cluster: c, user: u, namespace: shop}}
- {name: plain, context: {cluster: open, user: t}}
- {name: broken, context: {cluster: nowhere, user: t}}
- {name: plugin, context: {cluster: c, user: p}}
clusters:
- {name: c, cluster: {server: 'https://a:6443', certificate-authority-data: ${base64('CA')}}}
- {name: open, cluster: {server: 'https://b', insecure-skip-tls-verify: true, tls-server-name: c}}
users:
- {name: u, user: {client-certificate-data: ${base64('CERT')}, client-key-data: ${base64('KEY')}}}
- {name: t, user: {token: secret}}
- {name: p, user: {exec: {command: aws}}}
`

test('the current context', async () => {
  expect(await parseKubeconfig(config, '/k')).toEqual({
    namespace: 'shop',
    remote: { server: 'https://a:6443', ca: Buffer.from('CA'), cert: Buffer.from('CERT'), key: Buffer.from('KEY') },
  })
})

test('another context', async () => {
  expect(await parseKubeconfig(config, '/k', 'plain')).toEqual({
    namespace: 'default',
    remote: { server: 'https://b', token: 'secret', insecure: true, serverName: 'c' },
  })
})

test.each([
  ['broken', '/k: cluster "nowhere" is not among its clusters'],
  ['none', '/k: context "none" is not among its contexts'],
  ['plugin', '/k: user "p" needs a credential plugin; use a certificate or a token'],
])('the context %s is refused', async (context, message) => {
  await expect(parseKubeconfig(config, '/k', context)).rejects.toThrow(message)
})

test('no context at all is refused', async () => {
  await expect(parseKubeconfig('', '/k')).rejects.toThrow('/k: no current-context is set')
})
