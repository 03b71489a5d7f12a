/** Time zones by name. What Go calls Local is UTC here, as in the container K3s renders charts in. */

/** What a zone says at an instant. */
export interface ZoneAt {
  readonly abbreviation: string
  /** Seconds east of Greenwich. */
  readonly offset: number
}

export interface Zone {
  readonly name: string
  at(milliseconds: number): ZoneAt
}

export const utc: Zone = { name: 'UTC', at: () => ({ abbreviation: 'UTC', offset: 0 }) }

export function fixedZone(abbreviation: string, offset: number): Zone {
  return { name: abbreviation, at: () => ({ abbreviation, offset }) }
}

/** time.LoadLocation; undefined when there is no such zone. */
export function loadZone(name: string): Zone | undefined {
  if (name === '' || name === 'UTC' || name === 'Local') return utc
  try {
    const offsets = new Intl.DateTimeFormat('en-US', { timeZone: name, timeZoneName: 'longOffset' })
    // Abbreviations are known only in the locales that use them.
    const names = ['en-US', 'en-GB', 'en-AU', 'en-CA', 'en-IN', 'en-ZA', 'en-NZ'].map(
      locale => new Intl.DateTimeFormat(locale, { timeZone: name, timeZoneName: 'short' }),
    )
    return { name, at: milliseconds => zoneAt(new Date(milliseconds), offsets, names) }
  } catch {
    return undefined
  }
}

function zoneAt(date: Date, offsets: Intl.DateTimeFormat, names: readonly Intl.DateTimeFormat[]): ZoneAt {
  const [, sign, hours = '0', minutes = '0', seconds = '0'] =
    /GMT([+-])(\d+)(?::(\d+))?(?::(\d+))?/.exec(partOf(offsets, date)) ?? []
  const offset = (sign === '-' ? -1 : 1) * (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds))
  const abbreviation = names.map(format => partOf(format, date)).find(text => /^[A-Z]{2,5}$/.test(text))
  return { abbreviation: abbreviation ?? numericAbbreviation(offset), offset }
}

function partOf(format: Intl.DateTimeFormat, date: Date): string {
  return format.formatToParts(date).find(part => part.type === 'timeZoneName')?.value ?? ''
}

/** Zones without an abbreviation are called by their offset, "+03" or "+0530". */
function numericAbbreviation(offset: number): string {
  const minutes = Math.abs(offset) / 60
  const text = String(Math.floor(minutes / 60)).padStart(2, '0')
  return `${offset < 0 ? '-' : '+'}${text}${minutes % 60 ? String(minutes % 60).padStart(2, '0') : ''}`
}
