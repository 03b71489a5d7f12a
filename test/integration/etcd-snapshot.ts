/** Running `skiff etcd-snapshot` in the test's own process, and waiting for what servers do by themselves. */
import { setTimeout as delay } from 'node:timers/promises'
import { runEtcdSnapshot } from '../../bootstrap/cli/etcd-snapshot/command.ts'
import { ConfigError } from '../../bootstrap/config/parse.ts'
import type { RunningServer } from './server.ts'

export interface Said {
  readonly code: number
  readonly out: string
  /** Without the times of log lines. */
  readonly err: string
}

/** What it printed against this server; a complaint is code 1, as in the program. */
export async function etcdSnapshot(server: Pick<RunningServer, 'dataDir' | 'url'>, ...words: string[]): Promise<Said> {
  const said = { out: '', err: '' }
  const stream = (name: 'out' | 'err') => ({ write: (text: string) => void (said[name] += text), isTTY: false })
  const env = { K3S_CONFIG_FILE: `${server.dataDir}/none.yaml` }
  const host = { env, stdout: stream('out'), stderr: stream('err'), title: '' } as unknown as NodeJS.Process
  const [name = '', ...rest] = words
  const done = (code: number) => ({ code, out: said.out, err: said.err.replace(/^time="[^"]+" /gm, '') })
  try {
    const where = ['--data-dir', server.dataDir, '--etcd-server', server.url]
    return done(await runEtcdSnapshot([name, ...where, ...rest], host))
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    said.err += `${error.message}\n`
    return done(1)
  }
}

/** Asks until the answer is there; gives up after two minutes with what was thrown or answered last. */
export async function eventually<T>(ask: () => Promise<T>, fits: (value: T) => boolean): Promise<T> {
  const until = Date.now() + 120_000
  for (;;) {
    const value = await ask()
    if (fits(value)) return value
    if (Date.now() > until) throw new Error(`not within two minutes: ${JSON.stringify(value)}`)
    await delay(100)
  }
}
