/** An agent's end of the tunnel with a kubelet-like server behind it, for test/bench/tunnel.ts: settings come in, its port goes out. */
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { ServerList } from '../../bootstrap/join/server-addresses.ts'
import { startTunnelAgent } from '../../bootstrap/tunnel/testing/ends.ts'

const [address = '', identity = '', serving = ''] = process.argv.slice(2)
const chunk = Buffer.alloc(64 * 1024, 'x')

const kubelet = createServer(JSON.parse(serving), (request, response) => {
  if (request.url !== '/flood') return response.end('ok')
  const more = () => {
    while (response.write(chunk));
  }
  response.on('drain', more)
  more()
  return response
})
kubelet.listen(0, '127.0.0.1', () => {
  startTunnelAgent(JSON.parse(identity), new ServerList([address]))
  console.log((kubelet.address() as AddressInfo).port)
})
