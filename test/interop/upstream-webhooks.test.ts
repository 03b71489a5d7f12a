/** Admission webhooks as upstream's API server calls them and as ours does: the same answers. */
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals'
import { HttpClient } from '../integration/http-client.ts'
import { type RunningServer, startServer } from '../integration/server.ts'
import { missing, startUpstream, type UpstreamServer } from './upstream.ts'
import { answers, cases, prepare, tried } from './webhook-cases.ts'
import { startWebhookServer, type WebhookServer } from './webhook-server.ts'

jest.setTimeout(120_000)

/** What is said of these is Go's decoder's word. */
const inGo = new Set(['garbage', 'wrong-kind', 'broken-patch'])

if (missing !== undefined) test.skip(`no upstream API server (scripts/oracles.sh builds one): ${missing}`, () => {})
else {
  let hooks: WebhookServer
  let upstream: UpstreamServer
  let ours: RunningServer
  let both: readonly HttpClient[]
  beforeAll(async () => {
    hooks = await startWebhookServer(answers)
    ;[upstream, ours] = await Promise.all([startUpstream(), startServer()])
    both = [upstream.api, new HttpClient(ours)]
    await Promise.all(both.map(prepare))
  })
  afterAll(async () => {
    for (const api of both) api.close()
    await Promise.all([upstream.remove(), ours.remove()])
    await hooks.close()
  })

  test.each(cases.map(one => [one.name, one] as const))('%s', async (_, one) => {
    const [theirs, own] = await Promise.all(both.map(api => tried(api, hooks, one)))
    expect(own).toEqual(inGo.has(one.name) ? { ...theirs, message: own.message } : theirs)
  })
}
