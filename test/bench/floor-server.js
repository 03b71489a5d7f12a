/**
 * The machine's floor: Node's own TLS HTTP/2 server and nothing else. Plain JavaScript, so that not even the stripping of
 * types is in its figures. Usage: node floor-server.js KEY CERT CA; prints its port.
 */
import { readFileSync } from 'node:fs'
import { createSecureServer } from 'node:http2'

const [key, cert, ca] = process.argv.slice(2).map(path => readFileSync(path))
const pieceBytes = 1024 * 1024
const watchers = []

const routes = {
  '/readyz': (_, response) => response.end('ok'),
  '/echo': async (request, response) => {
    const chunks = []
    for await (const chunk of request) chunks.push(chunk)
    const body = Buffer.concat(chunks)
    response.writeHead(201, { 'content-type': 'application/json', 'content-length': String(body.length) })
    response.end(body)
  },
  '/bytes': async (_, response, query) => {
    const piece = Buffer.alloc(pieceBytes, 'x')
    for (let left = Number(query.get('size')); left > 0; left -= pieceBytes)
      if (!response.write(left < pieceBytes ? piece.subarray(0, left) : piece)) await drained(response)
    response.end()
  },
  '/watch': (_, response) => {
    watchers.push(response)
    response.writeHead(200)
    response.flushHeaders()
  },
  '/fan': async (_, response, query) => {
    const frame = Buffer.alloc(Number(query.get('size')), 'x')
    frame[frame.length - 1] = 10
    for (let left = Number(query.get('events')); left > 0; left--) {
      const full = watchers.filter(watcher => !watcher.write(frame))
      await Promise.all(full.map(drained))
    }
    response.end()
  },
}

const drained = response => new Promise(resolve => response.once('drain', resolve))

const server = createSecureServer({ key, cert, ca, requestCert: true, maxSessionMemory: 1000 })
server.on('request', (request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'https://localhost')
  routes[pathname](request, response, searchParams)
})
server.listen(0, '127.0.0.1', () => console.log(server.address().port))
