/** What /proc says of a process: its memory, its processor time, how often it wakes up. */
import { readdirSync, readFileSync } from 'node:fs'

const ticksPerSecond = 100

/** Resident memory in MB. */
export function residentMb(pid: number): number {
  return residentMbOf(readFileSync(`/proc/${pid}/status`, 'utf8'))
}

/** The same from the text of /proc/PID/status. */
export function residentMbOf(status: string): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? Number.NaN) / 1024
}

/** Processor seconds of all its threads so far. */
export function cpuSeconds(pid: number): number {
  return cpuSecondsOf(readFileSync(`/proc/${pid}/stat`, 'utf8'))
}

/** The same from the text of /proc/PID/stat. */
export function cpuSecondsOf(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

/** How often its threads have waited for something so far, and so were woken up again. */
export function wakeUps(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`)
  const texts = threads.map(thread => readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8'))
  return texts.reduce((sum, text) => sum + Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(text)?.[1] ?? 0), 0)
}
