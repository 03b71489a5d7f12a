/** Changes in folders, gathered: what an editor or the kubelet does to files comes in bursts. */
import { type FSWatcher, watch } from 'node:fs'

/**
 * Calls `changed` some time (ms) after anything changed in the folders, until the signal aborts. A folder that is not there is
 * left out: the caller needs a safety net of its own.
 */
export function watchFolders(
  folders: readonly string[],
  settleMs: number,
  changed: () => void,
  signal: AbortSignal,
): void {
  if (signal.aborted) return
  let timer: NodeJS.Timeout | undefined
  const soon = () => {
    timer ??= setTimeout(() => {
      timer = undefined
      changed()
    }, settleMs)
  }
  const watchers = folders.flatMap(folder => watcherOf(folder, soon))
  const stop = () => {
    clearTimeout(timer)
    for (const watcher of watchers) watcher.close()
  }
  signal.addEventListener('abort', stop, { once: true })
}

function watcherOf(folder: string, changed: () => void): FSWatcher[] {
  try {
    const watcher = watch(folder, { persistent: false }, changed)
    watcher.on('error', () => {})
    return [watcher]
  } catch {
    return []
  }
}
