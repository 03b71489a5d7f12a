/** HAProxy's runtime socket: one connection for a command, its answer until the end of the stream. */
import { connect } from 'node:net'
import type { Command, MapChange } from './diff.ts'

export type Send = (text: string) => Promise<string>

/** What the answer to a command may look like; anything else is a failure. */
const fine =
  /^$|^(no need to change|IP changed|port changed|New empty certificate|Transaction (created|updated)|Committing|Success!|Inserting certificate|Entry '.*' deleted|Certificate '.*' deleted|New version created)/

const patienceMs = 700
const attempts = 3

/**
 * Opens the socket anew for each command: after a reload the same path leads to the new process. A connection that the
 * old process took while it was ending gets no answer, so a silent one is tried again.
 */
export function runtimeSocket(path: string): Send {
  return async text => {
    for (let attempt = 1; ; attempt++)
      try {
        return await exchange(path, text)
      } catch (error) {
        if (!(error instanceof Silent) || attempt === attempts) throw error
      }
  }
}

class Silent extends Error {}

function exchange(path: string, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    const chunks: Buffer[] = []
    socket.setTimeout(patienceMs, () => socket.destroy(new Silent('the runtime socket does not answer')))
    socket.on('error', reject)
    socket.on('data', chunk => chunks.push(chunk))
    socket.on('close', () => resolve(Buffer.concat(chunks).toString()))
    socket.on('connect', () => socket.write(text))
  })
}

/** Runs the commands in order. Rejects with the first answer that is not a success. */
export async function runCommands(send: Send, commands: readonly Command[]): Promise<void> {
  for (const batch of batches(commands)) expectFine(batch, await send(batch))
}

/** Replaces tables; each one changes in a single moment. */
export async function runMapChanges(send: Send, changes: readonly MapChange[]): Promise<void> {
  for (const { name, chunks } of changes) {
    const version = /New version created: (\d+)/.exec(await send(`prepare map ${name}\n`))?.[1]
    if (version === undefined) throw new Error(`map ${name} is unknown`)
    for (const chunk of chunks) {
      const text = `add map @${version} ${name} <<\n${chunk}\n`
      expectFine(text, await send(text))
    }
    expectFine(name, await send(`commit map @${version} ${name}\n`))
  }
}

function expectFine(sent: string, answer: string): void {
  const bad = answer.split('\n').find(line => !fine.test(line.trim()))
  if (bad !== undefined) throw new Error(`${sent.split('\n')[0]?.slice(0, 120)}: ${bad.trim()}`)
}

/** Commands without payload travel together, up to what fits a line. */
function batches(commands: readonly Command[]): string[] {
  const all: string[] = []
  let line = ''
  const flush = () => {
    if (line !== '') all.push(`${line}\n`)
    line = ''
  }
  for (const command of commands) {
    if (command.payload !== undefined) {
      flush()
      all.push(`${command.line} <<\n${command.payload}\n`)
    } else {
      if (line.length + command.line.length > 8000) flush()
      line = line === '' ? command.line : `${line}; ${command.line}`
    }
  }
  flush()
  return all
}
