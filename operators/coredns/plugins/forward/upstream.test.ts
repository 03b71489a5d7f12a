import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from '@jest/globals'
import type { Effects, Request } from '../plugin.ts'
import type { ForwardConfig } from './config.ts'
import { Upstream } from './upstream.ts'

/** A port of loopback that nobody listens on. */
async function closedPort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  return port
}

test('a server that is down is probed ever more seldom, until somebody asks', async () => {
  let failures = 0
  const metrics = { count: (name: string) => void (name.includes('healthcheck') && failures++), observe: () => {} }
  const effects = { now: Date.now, monotonic: () => performance.now(), random: Math.random, metrics }
  const config = { maxFails: 2, healthCheckMs: 10, healthDomain: '.', healthRecursion: true, expireMs: 1000 }
  const address = { host: '127.0.0.1', port: await closedPort(), tls: false }
  const upstream = new Upstream(address as never, config as ForwardConfig, {}, effects as unknown as Effects)
  const until = async (count: number) => {
    for (let tries = 0; failures < count && tries < 1000; tries++) await delay(5)
    return performance.now()
  }
  upstream.probe()
  const began = await until(1)
  const sixth = await until(6)
  const seventh = await until(7)
  // Ten milliseconds doubled five times: the last wait is longer than the first ones together.
  expect(seventh - sixth).toBeGreaterThan((sixth - began) / 2)
  const asked = performance.now()
  await upstream.ask({ name: 'a.', asked: 'a.', type: 1, class: 1 } as Request, false).catch(() => {})
  const next = await until(8)
  expect(next - asked).toBeLessThan(seventh - sixth)
  upstream.close()
})
