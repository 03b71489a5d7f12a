/** `make upgrade-image`: writes the upgrade image of a release file as an OCI archive. */
import { existsSync, statSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { imageName, upgradeImage, versionOf } from './image.ts'

const usage = 'usage: node upgrade/build.ts [--release FILE] [--repository NAME] [--out FILE]'
const dist = join(import.meta.dirname, '../dist')

try {
  const { values } = parseArgs({
    options: { release: { type: 'string' }, repository: { type: 'string' }, out: { type: 'string' } },
  })
  const release = values.release ?? join(dist, 'skiff')
  if (!existsSync(release)) throw new Error(`there is no release file ${release}: run "make release" first`)
  const version = versionOf(release)
  const name = imageName(version, values.repository)
  const out = values.out ?? join(dist, `${basename(name).replace(':', '-')}.tar`)
  const { repository } = values
  writeFileSync(out, await upgradeImage({ release, version, ...(repository === undefined ? {} : { repository }) }))
  console.log(`${out}  ${name}  ${(statSync(out).size / 1e6).toFixed(1)} MB`)
} catch (error) {
  console.error(`upgrade-image: ${(error as Error).message}\n${usage}`)
  process.exitCode = 1
}
