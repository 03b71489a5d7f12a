/** Which of the node's own processes listen on a port, from /proc. */
import { readdir, readFile, readlink } from 'node:fs/promises'
import { basename } from 'node:path'
import { addressText } from '../../../api/cidr.ts'

export interface Listener {
  /** "nginx (pid 812)"; a process that cannot be seen is "a process". */
  readonly process: string
}

const listening = { tcp: '0A', udp: '07' } as const

/**
 * Who listens on the port for connections from outside: at every address, or at one that is neither loopback nor in
 * `ignored` (the pods' network). Undefined when nobody does.
 */
export async function listenerOn(
  protocol: 'tcp' | 'udp',
  port: number,
  ignored: (address: string) => boolean,
  root = '/proc',
): Promise<Listener | undefined> {
  const tables = await Promise.all([protocol, `${protocol}6`].map(name => text(`${root}/self/net/${name}`)))
  const found = tables
    .flatMap(sockets)
    .find(
      socket =>
        socket.port === port &&
        socket.state === listening[protocol] &&
        !isLoopback(socket.address) &&
        !ignored(socket.address),
    )
  return found && { process: await processWith(found.inode, root) }
}

interface Socket {
  readonly address: string
  readonly port: number
  readonly state: string
  readonly inode: string
}

function sockets(table: string): Socket[] {
  return table
    .split('\n')
    .slice(1)
    .map(line => line.trim().split(/\s+/))
    .filter(fields => fields.length > 9)
    .map(fields => {
      const [address = '', port = ''] = fields[1]!.split(':')
      return { address: readable(address), port: Number.parseInt(port, 16), state: fields[3]!, inode: fields[9]! }
    })
}

/** The kernel prints an address as numbers of four bytes in the machine's byte order. */
function readable(hex: string): string {
  const bytes = (hex.match(/.{8}/g) ?? []).flatMap(word => [6, 4, 2, 0].map(at => word.slice(at, at + 2)))
  if (bytes.length === 4) return bytes.map(byte => Number.parseInt(byte, 16)).join('.')
  const text = addressText(BigInt(`0x${bytes.join('')}`), 'IPv6')
  return text.startsWith('::ffff:')
    ? bytes
        .slice(12)
        .map(byte => Number.parseInt(byte, 16))
        .join('.')
    : text
}

const isLoopback = (address: string): boolean => address === '::1' || address.startsWith('127.')

async function processWith(inode: string, root: string): Promise<string> {
  const wanted = `socket:[${inode}]`
  for (const pid of (await readdir(root)).filter(name => /^\d+$/.test(name))) {
    const folder = `${root}/${pid}/fd`
    const files = await readdir(folder).catch(() => [])
    const targets = await Promise.all(files.map(file => readlink(`${folder}/${file}`).catch(() => '')))
    if (targets.includes(wanted))
      return `${basename((await text(`${root}/${pid}/cmdline`)).split('\0')[0]!)} (pid ${pid})`
  }
  return 'a process'
}

const text = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '')
