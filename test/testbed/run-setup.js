/** Before a run of jest: where release.ts keeps the files it builds; what killed runs have left goes. */
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const prefix = 'skiff-releases-'

export default function setup() {
  for (const name of readdirSync(tmpdir()))
    if (name.startsWith(prefix) && !existsSync(`/proc/${name.slice(prefix.length)}`))
      rmSync(join(tmpdir(), name), { recursive: true, force: true })
  // Workers inherit it.
  process.env.SKIFF_TEST_RELEASES = join(tmpdir(), `${prefix}${process.pid}`)
}
