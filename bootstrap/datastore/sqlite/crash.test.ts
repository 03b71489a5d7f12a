import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../effects.ts'
import { crashContract } from '../testing/crash-contract.ts'
import { openSqlite } from './sqlite.ts'

const frozen: Clock = { now: () => 0, sleep: () => new Promise(() => undefined) }

crashContract(
  'sqlite',
  async () => {
    const dir = await mkdtemp(join(tmpdir(), 'skiff-crash-'))
    const file = join(dir, 'state.db')
    return {
      endpoint: `sqlite://${file}`,
      open: () => openSqlite({ file, clock: frozen }),
      destroy: () => rm(dir, { recursive: true, force: true }),
    }
  },
  6,
)
