/** A process that uploads one file, for tests that give it a wrong clock or kill it. Settings and file come as JSON. */
import { basename } from 'node:path'
import { json } from 'node:stream/consumers'
import { openBucket } from '../../operators/snapshot/s3/bucket.ts'
import type { S3Settings } from '../../operators/snapshot/s3/settings.ts'

const { settings, file } = (await json(process.stdin)) as { settings: S3Settings; file: string }
const never = new AbortController().signal
const log = { warn: (_fields: object, message: string) => console.log(message) }
const bucket = await openBucket(settings, { log, env: {} }, never)
const { bytes } = await bucket.upload(file, basename(file), {}, never)
const after = await bucket.download('none', `${file}-none`, never).catch((error: Error) => error.message)
console.log(`uploaded ${bytes} bytes, then: ${String(after).split(': ').at(-1)}`)
bucket.close()
