/**
 * A program: reads a kubeconfig on its standard input and creates ConfigMaps in namespace default through 16 connections
 * without pause. Prints the name of each as soon as the server has acknowledged it; ends when a request fails.
 */
import { Agent, request } from 'node:https'
import { text } from 'node:stream/consumers'
import { parse } from 'yaml'

interface Kubeconfig {
  readonly clusters: readonly [
    { readonly cluster: { readonly server: string; readonly 'certificate-authority-data': string } },
  ]
  readonly users: readonly [
    { readonly user: { readonly 'client-certificate-data': string; readonly 'client-key-data': string } },
  ]
}

const connections = 16
const { clusters, users } = parse(await text(process.stdin)) as Kubeconfig
const [{ cluster }] = clusters
const [{ user }] = users
const decoded = (base64: string) => Buffer.from(base64, 'base64')
const agent = new Agent({
  keepAlive: true,
  maxSockets: connections,
  ca: decoded(cluster['certificate-authority-data']),
  cert: decoded(user['client-certificate-data']),
  key: decoded(user['client-key-data']),
})
const url = `${cluster.server}/api/v1/namespaces/default/configmaps`

function create(name: string): Promise<void> {
  const body = JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { name } })
  return new Promise((resolve, reject) => {
    const sent = request(url, { agent, method: 'POST', headers: { 'content-type': 'application/json' } }, response => {
      response.resume().on('error', reject)
      if (response.statusCode !== 201) return reject(new Error(`${name}: ${response.statusCode}`))
      process.stdout.write(`${name}\n`)
      response.on('end', resolve)
    })
    sent.on('error', reject).end(body)
  })
}

async function write(connection: number): Promise<void> {
  for (let n = 0; ; n++) await create(`write-${connection}-${n}`)
}

try {
  await Promise.all(Array.from({ length: connections }, (_, connection) => write(connection)))
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`)
  agent.destroy()
}
