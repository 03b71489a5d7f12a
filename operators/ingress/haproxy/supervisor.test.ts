/** With a program in HAProxy's place that says what HAProxy 2.6 says, and retires its old worker when it is told. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { systemClock } from '../../../bootstrap/client/clock.ts'
import { Supervisor } from './supervisor.ts'

const program = `#!/bin/bash
say() { echo "[WARNING]  ($1) : $2" >&2; }
reload() {
  say $$ 'Reloading HAProxy'
  say 101 'Proxy web stopped (cumulated conns: FE: 0, BE: 0).'
  say $$ 'New worker (102) forked'
  say $$ 'Loading success.'
  until [ -e "$folder/go-on" ]; do sleep 0.01; done
  case $how in
    stops) say 101 'Proxy pool stopped (cumulated conns: FE: 0, BE: 0).' ;;
    ends) say $$ 'Former worker (101) exited with code 0 (Exit)' ;;
  esac
}
folder=$(dirname "$3") how=$(cat "$(dirname "$3")/how")
trap reload USR2
trap exit USR1
say $$ 'New worker (101) forked'
say $$ 'Loading success.'
while :; do sleep 0.01; done
`
let folder: string
let supervisor: Supervisor
let life: AbortController

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'supervisor-'))
  life = new AbortController()
  writeFileSync(join(folder, 'program'), program, { mode: 0o755 })
  writeFileSync(join(folder, 'config'), 'frontend web\n  bind :80\nfrontend websecure\nbackend pool\n')
  supervisor = new Supervisor({
    program: join(folder, 'program'),
    config: join(folder, 'config'),
    clock: systemClock,
    random: Math.random,
    signal: life.signal,
    log: () => {},
    access: () => {},
  })
})
afterEach(async () => {
  life.abort()
  await supervisor.stop(0)
  rmSync(folder, { recursive: true })
})

test.each(['stops', 'ends'])('a reload is over when the old worker accepts nothing any more: it %s', async how => {
  writeFileSync(join(folder, 'how'), how)
  await supervisor.load()
  const order: string[] = []
  const loaded = supervisor.load().then(() => order.push('loaded'))
  await new Promise(resolve => setTimeout(resolve, 200))
  order.push('the old worker stops')
  writeFileSync(join(folder, 'go-on'), '')
  await loaded
  expect(order).toEqual(['the old worker stops', 'loaded'])
})

test('a reload does not wait for ever for an old worker', async () => {
  writeFileSync(join(folder, 'how'), 'silent')
  await supervisor.load()
  await supervisor.load()
  expect(supervisor.running).toBe(true)
})
