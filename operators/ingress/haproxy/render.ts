/** The configuration file: a plane and its slots as text, and whose line is which. */
import type { Owner } from '../model/model.ts'
import type { Steps } from '../slices.ts'
import type { Backend, CertificateEntry, Line, MapTable, Plane, Slot, Slots } from './plane.ts'

export interface Rendered {
  readonly text: string
  /** The owner of a line, counted from 1 as HAProxy does. */
  ownerOf(line: number): Owner | undefined
}

/** A step for each backend. */
export function* render(plane: Plane, slots: Slots): Steps<Rendered> {
  const lines: Line[] = [...plane.head]
  for (const backend of plane.backends.values()) {
    lines.push(...backendLines(backend, slots.get(backend.name) ?? []))
    yield
  }
  return { text: `${lines.map(line => line.text).join('\n')}\n`, ownerOf: line => lines[line - 1]?.owner }
}

function backendLines(backend: Backend, slots: readonly Slot[]): Line[] {
  const { owner } = backend
  const servers = slots.map((slot, index) => ({ text: `  ${serverLine(slot, index, backend.serverOptions)}`, owner }))
  return [{ text: `backend ${backend.name}`, owner }, ...backend.lines, ...servers]
}

function serverLine(slot: Slot, index: number, options: string): string {
  const rest = options === '' ? '' : ` ${options}`
  if (!slot) return `server ${slotName(index)} 0.0.0.0:0 disabled${rest}`
  const weight = slot.state === 'draining' ? 0 : slot.weight
  return `server ${slotName(index)} ${hostPort(slot.address, slot.port)} weight ${weight}${rest}`
}

export const slotName = (index: number): string => `s${index + 1}`

export const hostPort = (address: string, port: number): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`

export function renderMap(table: MapTable): string {
  return [...table].map(([key, value]) => `${key} ${value}\n`).join('')
}

/** A line of a crt-list. The first, the default, has no filter. */
export function certificateLine({ file, options, hosts }: CertificateEntry): string {
  return [`certs/${file}`, options === '' ? '' : `[${options}]`, ...hosts].filter(Boolean).join(' ')
}

export function renderCertificates(entries: readonly CertificateEntry[]): string {
  return entries.map(entry => `${certificateLine(entry)}\n`).join('')
}
