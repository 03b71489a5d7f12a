/** Uploads a file and downloads it again, and tells how long that took and what memory it had. Settings come as JSON. */
import { readFileSync, writeFileSync } from 'node:fs'
import { json } from 'node:stream/consumers'
import { openBucket } from '../../operators/snapshot/s3/bucket.ts'
import type { S3Settings } from '../../operators/snapshot/s3/settings.ts'
import { timed } from './measure.ts'

export interface Measured {
  readonly upMs: number
  readonly downMs: number
  /** Resident, of the whole process: connected and idle, and the most it had. */
  readonly idleMegabytes: number
  readonly upPeakMegabytes: number
  readonly downPeakMegabytes: number
}

/** VmRSS or VmHWM. */
function memory(line: string): number {
  const [, kilobytes] = new RegExp(`^${line}:\\s+(\\d+) kB`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))!
  return (Number(kilobytes) * 1024) / 1e6
}

const { settings, file } = (await json(process.stdin)) as { settings: S3Settings; file: string }
const never = new AbortController().signal
const bucket = await openBucket(settings, { log: console, env: {} }, never)
globalThis.gc?.()
const idleMegabytes = memory('VmRSS')
const upMs = await timed(() => bucket.upload(file, 'large', {}, never))
const upPeakMegabytes = memory('VmHWM')
// From here on it counts anew.
writeFileSync('/proc/self/clear_refs', '5')
const downMs = await timed(() => bucket.download('large', `${file}-back`, never))
bucket.close()
const measured: Measured = { upMs, downMs, idleMegabytes, upPeakMegabytes, downPeakMegabytes: memory('VmHWM') }
console.log(JSON.stringify(measured))
