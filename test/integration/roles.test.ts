/** Servers that leave a part of their work to others. */
import { expect, test } from '@jest/globals'
import { HttpClient } from './http-client.ts'
import { startServer } from './server.ts'

test('a server without controller manager has none of its controllers, and all others', async () => {
  const server = await startServer(['--disable-controller-manager'])
  const client = new HttpClient(server)
  try {
    const { text } = await client.until('/metrics', answer =>
      answer.text.includes('workqueue_depth{name="default-scheduler"}'),
    )
    const queues = Array.from(text.matchAll(/^workqueue_depth\{name="([^"]+)"\}/gm), ([, name]) => name)
    expect(queues).toEqual(expect.arrayContaining(['default-scheduler', 'cloud-node-controller']))
    for (const name of ['deployment-controller', 'namespace-controller', 'node-ipam-controller', 'token-cleaner'])
      expect(queues).not.toContain(name)
  } finally {
    client.close()
    await server.remove()
  }
}, 90_000)

test('a server of one role is refused in a line', async () => {
  for (const flag of ['--disable-apiserver', '--disable-etcd'])
    await expect(startServer([flag, '--server', 'https://127.0.0.1:1', '--token', 't'])).rejects.toThrow(
      `${flag} is not supported by this version yet: leave it out`,
    )
}, 90_000)
