/** dist/settle.mjs of a release file: `node settle.mjs TEMPORARY DATA HASH`. Says why not in one line. */
import { settle } from './settle.ts'

const [temporary, data, hash] = process.argv.slice(2)
try {
  await settle({ temporary: temporary!, data: data!, hash: hash! }, Date.now())
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`)
  process.exitCode = 1
}
