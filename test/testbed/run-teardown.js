/** After a run of jest. */
import { rmSync } from 'node:fs'

export default function teardown() {
  rmSync(process.env.SKIFF_TEST_RELEASES, { recursive: true, force: true })
}
