/** DNS' numbers and their names (IANA's registry). */

const typeNumbers = {
  A: 1,
  NS: 2,
  MD: 3,
  MF: 4,
  CNAME: 5,
  SOA: 6,
  MB: 7,
  MG: 8,
  MR: 9,
  NULL: 10,
  PTR: 12,
  HINFO: 13,
  MINFO: 14,
  MX: 15,
  TXT: 16,
  RP: 17,
  AFSDB: 18,
  RT: 21,
  SIG: 24,
  KEY: 25,
  PX: 26,
  AAAA: 28,
  LOC: 29,
  NXT: 30,
  SRV: 33,
  NAPTR: 35,
  KX: 36,
  CERT: 37,
  DNAME: 39,
  OPT: 41,
  APL: 42,
  DS: 43,
  SSHFP: 44,
  IPSECKEY: 45,
  RRSIG: 46,
  NSEC: 47,
  DNSKEY: 48,
  DHCID: 49,
  NSEC3: 50,
  NSEC3PARAM: 51,
  TLSA: 52,
  SMIMEA: 53,
  CDS: 59,
  CDNSKEY: 60,
  OPENPGPKEY: 61,
  CSYNC: 62,
  SVCB: 64,
  HTTPS: 65,
  SPF: 99,
  EUI48: 108,
  EUI64: 109,
  TKEY: 249,
  TSIG: 250,
  IXFR: 251,
  AXFR: 252,
  MAILB: 253,
  MAILA: 254,
  ANY: 255,
  URI: 256,
  CAA: 257,
} as const

export const types = typeNumbers
const typeNames = new Map<number, string>(Object.entries(typeNumbers).map(([name, number]) => [number, name]))

export const typeName = (type: number): string => typeNames.get(type) ?? `TYPE${type}`

/** Undefined for what is no type. */
export function typeNumber(name: string): number | undefined {
  const known = (typeNumbers as { readonly [name: string]: number })[name.toUpperCase()]
  const generic = /^TYPE(\d+)$/i.exec(name)
  return known ?? (generic && Number(generic[1]) < 65_536 ? Number(generic[1]) : undefined)
}

export const classes = { IN: 1, CH: 3, HS: 4, NONE: 254, ANY: 255 } as const
const classNames = new Map<number, string>(Object.entries(classes).map(([name, number]) => [number, name]))

export const className = (number: number): string => classNames.get(number) ?? `CLASS${number}`

export const classNumber = (name: string): number | undefined =>
  (classes as { readonly [name: string]: number })[name.toUpperCase()]

export const rcodes = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  YXDOMAIN: 6,
  YXRRSET: 7,
  NXRRSET: 8,
  NOTAUTH: 9,
  NOTZONE: 10,
  BADVERS: 16,
} as const
const rcodeNames = new Map<number, string>(Object.entries(rcodes).map(([name, number]) => [number, name]))

export const rcodeName = (rcode: number): string => rcodeNames.get(rcode) ?? String(rcode)

export const rcodeNumber = (name: string): number | undefined =>
  (rcodes as { readonly [name: string]: number })[name.toUpperCase()]

/** Bits of the header's second word. */
export const flags = {
  response: 0x8000,
  authoritative: 0x0400,
  truncated: 0x0200,
  recursionDesired: 0x0100,
  recursionAvailable: 0x0080,
  authenticData: 0x0020,
  checkingDisabled: 0x0010,
} as const
