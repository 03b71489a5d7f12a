/** Release files for tests: each version is built once in a run of jest, of the sources as they are; gone after the run. */
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { sourceVersion } from '../../bootstrap/version.ts'
import { run } from './bed.ts'

const builder = join(import.meta.dirname, '../../scripts/release/main.ts')

/** The path of a release file of `version`, to be copied to where it is used. Throws with what the build has said. */
export async function releaseFile(version: string = sourceVersion): Promise<string> {
  const folder = process.env.SKIFF_TEST_RELEASES
  if (folder === undefined) throw new Error('SKIFF_TEST_RELEASES is not set: it names the folder to build into')
  const path = join(folder, version, 'k3s')
  if (!existsSync(path)) await buildReleaseFile(version, path)
  return path
}

/** Builds it anew. Two builds of a version are the same bytes. */
export async function buildReleaseFile(version: string, path: string): Promise<void> {
  mkdirSync(join(path, '..'), { recursive: true })
  const env = { ...process.env, VERSION: version }
  const { code, stderr } = await run([process.execPath, [builder, path]], { env, timeoutMs: 600_000 })
  if (code !== 0) throw new Error(`no release file of ${version}: ${stderr}`)
}
