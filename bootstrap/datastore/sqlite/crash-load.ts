/** The load the crash test kills: `node crash-load.ts FILE`. Prints "key revision text" for every acknowledged write. */
import { argv, stdout } from 'node:process'
import { openSqlite } from './sqlite.ts'

const clients = 16

/** What is written for a text: the text, then enough of itself to span several pages of the file. */
export function payloadOf(text: string): Buffer {
  return Buffer.from(`${text}|`.repeat(1 + ((text.length * 131) % 900)))
}

async function load(file: string): Promise<void> {
  const store = await openSqlite({ file, clock: { now: () => 0, sleep: () => new Promise(() => undefined) } })
  const { entries, revision: start } = await store.read('/r/')
  const known = new Map(entries.map(entry => [entry.key, entry.revision]))
  const client = async (name: number) => {
    for (let i = 0; ; i++) {
      const key = `/r/${name}-${i % 20}`
      const text = `${start}.${name}.${i}`
      const revision = known.get(key)
      const write =
        revision === undefined
          ? ({ op: 'create', key, value: payloadOf(text) } as const)
          : i % 7 === 0
            ? ({ op: 'delete', key, revision } as const)
            : ({ op: 'update', key, revision, value: payloadOf(text) } as const)
      const written = await store.commit(write)
      if (write.op === 'delete') known.delete(key)
      else known.set(key, written)
      stdout.write(`${key} ${written} ${write.op === 'delete' ? '-' : text}\n`)
    }
  }
  await Promise.all(Array.from({ length: clients }, (_, name) => client(name)))
}

if (argv[2] !== undefined && argv[1]?.endsWith('crash-load.ts')) await load(argv[2])
