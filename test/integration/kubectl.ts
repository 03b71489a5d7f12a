/** Every kubectl on this machine, and a session that runs one of them against a server as a user would. */
import { type ChildProcessWithoutNullStreams, execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { debianPackage, kubectls as installed, newestKubectl } from '../testbed/tools.ts'

export interface Kubectl {
  readonly version: string
  readonly minor: number
  readonly path: string
}

const commandLimit = 30_000

/** Oldest first: those of the machine and the newest that Debian has. */
export const kubectls: readonly Kubectl[] = find()

/** The oldest and the newest: between them lies every change of kubectl's own. */
export const outermost: readonly Kubectl[] = [...new Set([kubectls[0], kubectls.at(-1)])].filter(
  one => one !== undefined,
)

function find(): readonly Kubectl[] {
  const paths = new Set(installed().values())
  const newest = debianPackage('sid', 'kubectl')
  if (newest !== undefined) paths.add(join(newest, 'usr/bin/kubectl'))
  if (paths.size === 0) return plain()
  return [...paths].map(described).sort((a, b) => a.minor - b.minor)
}

/** A kubectl whose name does not tell its version. */
function plain(): readonly Kubectl[] {
  try {
    return [described(newestKubectl())]
  } catch {
    return []
  }
}

function described(path: string): Kubectl {
  const minor = minorOf(path)
  return { version: `1.${minor}`, minor, path }
}

function minorOf(path: string): number {
  const { clientVersion } = JSON.parse(execFileSync(path, ['version', '--client', '-o', 'json'], { encoding: 'utf8' }))
  return Number.parseInt(clientVersion.minor, 10)
}

export interface Outcome {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** A running command and what it has printed so far. */
export class Following {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #closed: Promise<unknown>
  output = ''

  constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child
    this.#closed = once(child, 'close')
    for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (this.output += chunk))
  }

  /** Waits for a match in the output and gives its first group, else the match. Rejects when the command ends before. */
  async seen(pattern: RegExp): Promise<string> {
    for (;;) {
      const match = pattern.exec(this.output)
      if (match) return match[1] ?? match[0]
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
        throw new Error(`it ended without printing ${pattern}: ${this.output}`)
      }
      await Promise.race([once(this.#child.stdout, 'data'), once(this.#child.stderr, 'data'), this.#closed])
    }
  }

  async end(): Promise<void> {
    this.#child.kill()
    await this.#closed
  }
}

/** One user with a home of its own. */
export class Session {
  readonly kubectl: Kubectl
  readonly home: string
  readonly namespace: string
  readonly #kubeconfig: string

  private constructor(kubectl: Kubectl, kubeconfig: string, home: string, namespace: string) {
    this.kubectl = kubectl
    this.#kubeconfig = kubeconfig
    this.home = home
    this.namespace = namespace
  }

  /** A session with a fresh home, in a namespace named after the version that it has to create. */
  static async open(kubectl: Kubectl, kubeconfig: string): Promise<Session> {
    const home = await mkdtemp(join(tmpdir(), 'skiff-kubectl-'))
    return new Session(kubectl, kubeconfig, home, `v${kubectl.version.replace('.', '-')}`)
  }

  async close(): Promise<void> {
    await rm(this.home, { recursive: true, force: true })
  }

  /** What the command printed; throws when it fails. */
  async ok(...words: readonly string[]): Promise<string> {
    return this.#succeeded(words, await this.run(words))
  }

  /** Like `ok`, with these objects on standard input. */
  async given(objects: readonly object[], ...words: readonly string[]): Promise<string> {
    return this.#succeeded(words, await this.run(words, documents(objects)))
  }

  /** What the command complained about; throws when it succeeds. */
  async fails(...words: readonly string[]): Promise<string> {
    return this.#failed(words, await this.run(words))
  }

  async givenFails(objects: readonly object[], ...words: readonly string[]): Promise<string> {
    return this.#failed(words, await this.run(words, documents(objects)))
  }

  /** The path of a file with these objects. */
  async file(name: string, ...objects: readonly object[]): Promise<string> {
    const path = join(this.home, name)
    await writeFile(path, documents(objects))
    return path
  }

  /** Runs kubectl in the session's namespace; more environment may come with it. */
  run(words: readonly string[], input = '', environment: NodeJS.ProcessEnv = {}): Promise<Outcome> {
    const options = { env: { ...this.#environment, ...environment }, timeout: commandLimit }
    return new Promise(resolve => {
      const child = execFile(this.kubectl.path, this.#scoped(words), options, (error, out, err) =>
        resolve({
          code: error ? ((error.code as number | undefined) ?? -1) : 0,
          out: out.trim(),
          err: complaints(err),
        }),
      )
      child.stdin?.end(input)
    })
  }

  /** Starts a command that does not end by itself. */
  follow(...words: readonly string[]): Following {
    return new Following(
      spawn(this.kubectl.path, this.#scoped(words), { env: this.#environment, timeout: commandLimit }),
    )
  }

  get #environment(): NodeJS.ProcessEnv {
    return { ...process.env, KUBECONFIG: this.#kubeconfig, HOME: this.home }
  }

  #scoped(words: readonly string[]): readonly string[] {
    const scope = words.some(word => word === '-A' || word.startsWith('-n')) ? [] : ['-n', this.namespace]
    const at = words.indexOf('--')
    return at < 0 ? [...words, ...scope] : [...words.slice(0, at), ...scope, ...words.slice(at)]
  }

  #succeeded(words: readonly string[], { code, out, err }: Outcome): string {
    if (code !== 0) throw new Error(`kubectl ${this.kubectl.version} ${words.join(' ')}: ${err}\n${out}`)
    return out
  }

  #failed(words: readonly string[], { code, out, err }: Outcome): string {
    if (code === 0) throw new Error(`kubectl ${this.kubectl.version} ${words.join(' ')} succeeded: ${out}`)
    return err
  }
}

/** JSON is YAML, so kubectl reads it too. */
const documents = (objects: readonly object[]) => objects.map(object => `---\n${JSON.stringify(object)}\n`).join('')

function complaints(text: string): string {
  const lines = text.split('\n').filter(line => !line.startsWith('WARNING: version difference'))
  return lines.join('\n').trim()
}
