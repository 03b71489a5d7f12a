/** What a service manager sees of `server` and `agent`: their names, and when they are up. */
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import type { Logger } from '../log.ts'

/**
 * A process of a release file shows as "/usr/local/bin/k3s server", as K3s' do: that names the file to replace in an upgrade,
 * and hides the flags, of which one may be the token. No effect on the program of a source tree.
 */
export function nameProcess(host: NodeJS.Process, command: string): void {
  const file = host.env.SKIFF_FILE
  if (file === undefined) return
  host.title = `${file} ${command}`
  // Setting the title has put its beginning here.
  writeFileSync('/proc/self/comm', `k3s-${command}`)
}

/**
 * Takes systemd's socket out of the environment, so that no child (containerd reports too) speaks for this process; returns
 * how to tell systemd that it is up. Node cannot send to such a socket, so systemd's own program does.
 */
export function serviceManager(env: NodeJS.ProcessEnv, log: Logger): () => void {
  const { NOTIFY_SOCKET: socket } = env
  delete env.NOTIFY_SOCKET
  if (!socket) return () => {}
  return () =>
    // With the rights of root it speaks in the name of its parent: this process.
    void execFile('systemd-notify', ['--ready'], { env: { ...env, NOTIFY_SOCKET: socket } }, error => {
      if (error)
        log.warn({ err: error }, 'systemd cannot be told that this is up: install systemd-notify, or set Type=exec')
    })
}
