/** The state HAProxy is to be in: text that only a reload changes, and tables that change while it runs. */
import type { Owner } from '../model/model.ts'

/** A line of the configuration and, where it comes from a user's object, whose it is. */
export interface Line {
  readonly text: string
  readonly owner?: Owner | undefined
}

export interface Server {
  readonly address: string
  readonly port: number
  readonly weight: number
  readonly state: 'ready' | 'draining'
}

export interface Backend {
  readonly name: string
  readonly lines: readonly Line[]
  /** Options of every server line. */
  readonly serverOptions: string
  /** Undefined for backends that only answer. */
  readonly servers: readonly Server[] | undefined
  readonly owner: Owner | undefined
}

/** Keys to values; HAProxy looks requests up in it. */
export type MapTable = ReadonlyMap<string, string>

export interface CertificateEntry {
  /** File below certs/; changes with anything but the content. */
  readonly file: string
  readonly pem: string
  /** Settings in HAProxy's terms, e.g. "ssl-min-ver TLSv1.3". */
  readonly options: string
  readonly hosts: readonly string[]
}

export interface Plane {
  /** Everything above the backends. */
  readonly head: readonly Line[]
  readonly backends: ReadonlyMap<string, Backend>
  readonly maps: ReadonlyMap<string, MapTable>
  /** The first one is the default. */
  readonly certificates: readonly CertificateEntry[]
  /** Other files the text refers to, by name. */
  readonly files: ReadonlyMap<string, string>
}

/** A server's place in a backend; empty ones wait for endpoints to come. */
export type Slot = Server | undefined
export type Slots = ReadonlyMap<string, readonly Slot[]>
