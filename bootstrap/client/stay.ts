/** Keeps a process that has nothing but connections alive while it has none: our timers do not. */

/** Holds the process until the signal aborts. */
export function stayUntil(signal: AbortSignal): void {
  if (signal.aborted) return
  const handle = setInterval(() => {}, 2 ** 31 - 1)
  signal.addEventListener('abort', () => clearInterval(handle), { once: true })
}
