/** Lines of a CRI log: "<RFC 3339 nano time> <stdout|stderr> <P|F> <text>". */

export interface LogLine {
  readonly time: string
  readonly stream: string
  /** A part of a long line; the next entry of the stream goes on with it. */
  readonly partial: boolean
  readonly text: Buffer
}

const space = 0x20

/** Undefined for a line that is none. `line` has no newline. */
export function parseLogLine(line: Buffer): LogLine | undefined {
  const first = line.indexOf(space)
  const second = line.indexOf(space, first + 1)
  const third = line.indexOf(space, second + 1)
  if (first < 0 || second < 0) return undefined
  const end = third < 0 ? line.length : third
  return {
    time: line.toString('latin1', 0, first),
    stream: line.toString('latin1', first + 1, second),
    partial: line.toString('latin1', second + 1, end).split(':')[0] === 'P',
    text: third < 0 ? Buffer.alloc(0) : line.subarray(third + 1),
  }
}

/** With all nine digits of the second's fraction, as kubelet shows times; runtimes leave trailing zeros out. */
function fixedTime(time: string): string {
  return time.replace(
    /(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$/,
    (_, fraction = '', zone) => `.${fraction.padEnd(9, '0')}${zone}`,
  )
}

export interface LineFilter {
  /** ms since the epoch; entries at this time or before are left out. */
  readonly since?: number | undefined
  readonly stream?: 'stdout' | 'stderr' | undefined
  readonly timestamps?: boolean | undefined
}

/** What a reader sees of a line; empty when it is filtered out. */
export function renderLine(line: Buffer, filter: LineFilter): Buffer {
  const parsed = parseLogLine(line)
  if (!parsed) return Buffer.alloc(0)
  if (filter.stream && filter.stream !== parsed.stream) return Buffer.alloc(0)
  if (filter.since !== undefined && Date.parse(parsed.time) < filter.since) return Buffer.alloc(0)
  const prefix = filter.timestamps ? `${fixedTime(parsed.time)} ` : ''
  return Buffer.concat([Buffer.from(prefix), parsed.text, Buffer.from(parsed.partial ? '' : '\n')])
}
