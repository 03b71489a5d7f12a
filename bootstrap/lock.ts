/** One server per data directory: an abstract socket that the kernel frees when its process ends, however it ends. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { ConfigError } from './config/parse.ts'

/** Resolves with the release. Throws ConfigError when another process holds the directory. */
export async function lockDataDir(dataDir: string): Promise<() => void> {
  const server: Server = createServer()
  server.listen(`\0skiff-${createHash('sha256').update(dataDir).digest('hex').slice(0, 16)}`)
  try {
    await once(server, 'listening')
  } catch {
    throw new ConfigError(`another server is running on data-dir ${dataDir}: stop it or use --data-dir`)
  }
  server.unref()
  return () => server.close()
}
