/** What a load balancer remembers over a restart: agent/etc/<name>.json, as K3s writes it. */
import { readIfPresent, writeAtomically } from '../pki/files.ts'

interface Saved {
  readonly ServerURL: string
  readonly ServerAddresses: readonly string[]
}

/** The addresses saved for this URL; none when the file is missing, broken, or of another cluster. */
export async function savedAddresses(path: string, serverUrl: string): Promise<readonly string[]> {
  try {
    const saved = JSON.parse((await readIfPresent(path)) ?? '{}') as Partial<Saved>
    if (saved.ServerURL !== serverUrl || !Array.isArray(saved.ServerAddresses)) return []
    return saved.ServerAddresses.filter(address => typeof address === 'string' && address !== '')
  } catch {
    return []
  }
}

export async function saveAddresses(path: string, serverUrl: string, addresses: readonly string[]): Promise<void> {
  const saved: Saved = { ServerURL: serverUrl, ServerAddresses: addresses }
  await writeAtomically(path, JSON.stringify(saved, undefined, 2))
}
