/** What it takes to get from one plane to another: commands to the running process, or a reload. */

import type { CertificateEntry, MapTable, Plane, Server, Slot, Slots } from './plane.ts'
import { certificateLine, renderMap, slotName } from './render.ts'
import { assign } from './slots.ts'

export interface Command {
  readonly line: string
  /** Lines that follow the command. */
  readonly payload?: string
}

export type Change =
  | { readonly type: 'none' }
  | { readonly type: 'patch'; readonly commands: readonly Command[]; readonly maps: readonly MapChange[] }
  | { readonly type: 'reload'; readonly reason: string }

/** A table that is replaced as a whole, in one moment. */
export interface MapChange {
  readonly name: string
  readonly chunks: readonly string[]
}

/** HAProxy takes a command and its payload in one buffer of 16 KiB. */
const payloadLimit = 12_000

export function diff(before: Plane, slots: Slots, after: Plane): Change {
  const reason = shapeChange(before, slots, after)
  if (reason !== undefined) return { type: 'reload', reason }
  const certificates = certificateCommands(before.certificates, after.certificates)
  if (certificates === undefined) return { type: 'reload', reason: 'a certificate is too large for the socket' }
  const commands = [...certificates, ...serverCommands(before, slots, after)]
  const maps = mapChanges(before.maps, after.maps)
  return commands.length + maps.length === 0 ? { type: 'none' } : { type: 'patch', commands, maps }
}

function shapeChange(before: Plane, slots: Slots, after: Plane): string | undefined {
  if (textOf(before.head) !== textOf(after.head)) return 'frontends have changed'
  for (const [name, text] of after.files) if (before.files.get(name) !== text) return `file ${name} has changed`
  for (const [name] of after.maps) if (!before.maps.has(name)) return `map ${name} is new`
  for (const [name, backend] of after.backends) {
    const old = before.backends.get(name)
    if (!old) return `backend ${name} is new`
    if (old === backend) continue
    const sameText = old.lines === backend.lines || textOf(old.lines) === textOf(backend.lines)
    if (old.serverOptions !== backend.serverOptions || !sameText) return `backend ${name} has changed`
    const fits =
      backend.servers === undefined ||
      sameServers(old.servers, backend.servers) ||
      assign(slots.get(name) ?? [], backend.servers)
    if (!fits) return `backend ${name} needs more slots`
  }
  // A backend that nobody refers to any more does no harm: it goes with the next reload.
  return undefined
}

function sameServers(a: readonly Server[] | undefined, b: readonly Server[]): boolean {
  if (a?.length !== b.length) return false
  return b.every((server, index) => {
    const { address, port, weight, state } = a[index]!
    return server.address === address && server.port === port && server.weight === weight && server.state === state
  })
}

const textOf = (lines: readonly { readonly text: string }[]): string => lines.map(line => line.text).join('\n')

function serverCommands(old: Plane, slots: Slots, after: Plane): Command[] {
  const commands: Command[] = []
  for (const { name, servers } of after.backends.values()) {
    if (!servers || sameServers(old.backends.get(name)?.servers, servers)) continue
    const before = slots.get(name) ?? []
    const next = assign(before, servers) ?? before
    next.forEach((slot, index) => {
      for (const line of slotCommands(`${name}/${slotName(index)}`, before[index], slot)) commands.push({ line })
    })
  }
  return commands
}

function slotCommands(server: string, before: Slot, after: Slot): string[] {
  if (before === after) return []
  if (!after) return [`set server ${server} state maint`]
  const moved = before?.address !== after.address || before.port !== after.port
  const lines: string[] = []
  // The old address must not get requests under the new one's weight, so the address comes first.
  if (moved) lines.push(`set server ${server} addr ${after.address} port ${after.port}`)
  const weight = after.state === 'draining' ? 0 : after.weight
  const weightBefore = before?.state === 'draining' ? 0 : before?.weight
  if (moved || weight !== weightBefore) lines.push(`set server ${server} weight ${weight}`)
  if (!before) lines.push(`set server ${server} state ready`)
  return lines
}

function mapChanges(before: ReadonlyMap<string, MapTable>, after: ReadonlyMap<string, MapTable>): MapChange[] {
  const changes: MapChange[] = []
  for (const [name, table] of after) {
    const old = before.get(name)
    if (!old || equalTables(old, table)) continue
    changes.push({ name: `maps/${name}`, chunks: chunksOf(renderMap(table)) })
  }
  return changes
}

function equalTables(a: MapTable, b: MapTable): boolean {
  if (a === b) return true
  if (a.size !== b.size) return false
  for (const [key, value] of a) if (b.get(key) !== value) return false
  return true
}

function chunksOf(text: string): string[] {
  const chunks: string[] = []
  let chunk = ''
  for (const line of text.split('\n')) {
    if (line === '') continue
    if (chunk.length + line.length > payloadLimit) {
      chunks.push(chunk)
      chunk = ''
    }
    chunk += `${line}\n`
  }
  return chunk === '' ? chunks : [...chunks, chunk]
}

/** Undefined when a certificate cannot go over the socket. */
function certificateCommands(
  before: readonly CertificateEntry[],
  after: readonly CertificateEntry[],
): Command[] | undefined {
  const old = new Map(before.map(entry => [entry.file, entry]))
  const now = new Map(after.map(entry => [entry.file, entry]))
  const commands: Command[] = []
  for (const entry of after) {
    const known = old.get(entry.file)
    if (known?.pem === entry.pem) continue
    if (entry.pem.length > payloadLimit) return undefined
    const path = `certs/${entry.file}`
    if (!known) commands.push({ line: `new ssl cert ${path}` })
    commands.push({ line: `set ssl cert ${path}`, payload: oneBlock(entry.pem) }, { line: `commit ssl cert ${path}` })
    if (!known) commands.push({ line: 'add ssl crt-list certs/list', payload: `${certificateLine(entry)}\n` })
  }
  for (const { file } of before) {
    if (now.has(file)) continue
    commands.push({ line: `del ssl crt-list certs/list certs/${file}` }, { line: `del ssl cert certs/${file}` })
  }
  return commands
}

/** An empty line would end the payload. */
const oneBlock = (pem: string): string => `${pem.split(/\r?\n/).filter(Boolean).join('\n')}\n`
