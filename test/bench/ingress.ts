/**
 * The ingress: requests per second with 64 connections against the same HAProxy configured by hand for the one route that
 * is asked, and the time from a change of endpoints to the first answer of the new one. Needs haproxy and wrk.
 */
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from '../../bootstrap/client/testing/ports.ts'
import { IngressBed } from '../integration/ingress-fixture.ts'
import { report } from './row.ts'

const connections = 64
const seconds = 2
const rounds = 5
const routes = 200

const folder = mkdtempSync(join(tmpdir(), 'ingress-bench-'))
const [backendPort, byHandPort] = [await freePort(), await freePort()]

const defaults = `
global
  fd-hard-limit 40000
defaults
  mode http
  timeout client 1m
  timeout server 1m
  timeout connect 3s
`
/** Answers at once, so that the proxy is what is measured. */
const backend = `${defaults}
frontend answer
  bind 127.0.0.1:${backendPort}
  http-request return status 200 content-type text/plain string "hello"
`
/** What an administrator would write for this one route, with the headers that an ingress adds. Small chunks must not wait. */
const byHand = `${defaults}
frontend web
  bind 127.0.0.1:${byHandPort}
  option http-no-delay
  option forwardfor
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-header X-Forwarded-Port 80
  http-request set-header X-Real-Ip %[src]
  use_backend web if { hdr(host) -i web100.org } { path_beg / }
backend web
  balance roundrobin
  server s1 127.0.0.1:${backendPort}
`

function haproxy(name: string, config: string) {
  const path = join(folder, `${name}.cfg`)
  writeFileSync(path, config)
  return spawn('haproxy', ['-f', path], { stdio: 'ignore' })
}

interface Measured {
  readonly rate: number
  /** Microseconds of a core that the proxy spent on a request: steady where other work disturbs the rate. */
  readonly cpu: number
}

/** Clock ticks of 10 ms that a process has used. */
function ticks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ')
  return Number(fields[13]) + Number(fields[14])
}

function wrk(port: number, pid: number): Measured {
  const before = ticks(pid)
  const url = `http://127.0.0.1:${port}/some/path`
  const output = execFileSync('wrk', [
    '-t1',
    `-c${connections}`,
    `-d${seconds}s`,
    '-H',
    'Host: web100.org',
    url,
  ]).toString()
  if (/Non-2xx/.test(output)) throw new Error(output)
  const count = Number(/(\d+) requests in/.exec(output)?.[1])
  return { rate: Number(/Requests\/sec:\s+([\d.]+)/.exec(output)?.[1]), cpu: ((ticks(pid) - before) * 10_000) / count }
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!

const children = [haproxy('backend', backend), haproxy('by-hand', byHand)]
const bed = await IngressBed.start()
try {
  await bed.backend('web', { ports: [backendPort] })
  const paths = [{ path: '/', pathType: 'Prefix', backend: { service: { name: 'web', port: { number: 80 } } } }]
  for (let index = 0; index < routes; index++)
    await bed.ingress(`web${index}`, { rules: [{ host: `web${index}.org`, http: { paths } }] })
  await bed.untilStatus({ host: `web${routes - 1}.org` }, 200)
  await delay(300)
  const [ours, floor]: [Measured[], Measured[]] = [[], []]
  const pid = Number(/Pid: (\d+)/.exec(await bed.runtime('show info'))?.[1])
  for (let round = 0; round < rounds; round++) {
    floor.push(wrk(byHandPort, children[1]!.pid!))
    ours.push(wrk(bed.ports.web, pid))
  }
  const best = median(floor.map(({ rate }) => rate))
  report({
    figure: `ingress, ${connections} connections, ${routes} hosts`,
    unit: '/s',
    skiff: median(ours.map(({ rate }) => rate)),
    floor: { value: best, what: 'HAProxy by hand, one host' },
    budget: { value: best * 0.9 },
  })
  const cpu = median(floor.map(item => item.cpu))
  report({
    figure: 'ingress, CPU per request',
    unit: 'µs',
    skiff: median(ours.map(item => item.cpu)),
    floor: { value: cpu, what: 'HAProxy by hand' },
    budget: { value: cpu * 1.1 },
  })
  const times: number[] = []
  const ports = await Promise.all([1, 2].map(number => bed.listen((_, response) => response.end(`${number}`))))
  await bed.endpoints('web', [ports[0]!])
  await bed.until(
    () => bed.ask({ host: 'web1.org' }),
    ({ body }) => body === '1',
  )
  for (let round = 1; round <= 20; round++) {
    const wanted = `${(round % 2) + 1}`
    const started = performance.now()
    await bed.endpoints('web', [ports[round % 2]!])
    while ((await bed.ask({ host: 'web1.org' })).body !== wanted);
    times.push(performance.now() - started)
  }
  report({ figure: 'endpoint changed to answered by it', unit: 'ms', skiff: median(times), budget: { value: 100 } })
} finally {
  await bed.stop()
  for (const child of children) child.kill()
  rmSync(folder, { recursive: true })
}
process.exit()
