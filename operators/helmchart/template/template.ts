/**
 * Go's text/template. A set holds named templates that call each other; it is parsed once and executed any number of times.
 *
 * ```ts
 * const templates = new TemplateSet('gotpl', helmFunctions(), { missingKey: 'zero' })
 * templates.parse('web/templates/_helpers.tpl', '{{ define "name" }}{{ .Release.Name }}-web{{ end }}')
 * templates.parse('web/templates/service.yaml', 'name: {{ include "name" . | quote }}')
 * templates.override({ include: goFunction('string, any -> string', (name, data) => templates.execute(name, data)) })
 * templates.execute('web/templates/service.yaml', { Release: { Name: 'shop' }, Values: {} })   // name: "shop-web"
 * ```
 *
 * Functions are found by name when they are called, in the set that executes: a clone with another `include` runs the
 * templates it shares with the original with its own `include`. Values are those of values.ts: plain JSON serves as it is;
 * `GoStruct` and `typed` give values methods and struct fields:
 *
 * ```ts
 * const kubeVersion = new GoStruct('common.KubeVersion', { Version: 'v1.36.0', Major: '1', Minor: '36' }, { text: () => 'v1.36.0' })
 * const versions = typed(['v1', 'apps/v1'], { name: 'common.VersionSet', kind: 'slice', element: types.string },
 *   { methods: { Has: goFunction('string -> bool', (version: string) => versions.includes(version)) } })
 * const capabilities = new GoStruct('*common.Capabilities', { KubeVersion: kubeVersion, APIVersions: versions })
 * ```
 */
import { builtins } from './builtins.ts'
import { TemplateError } from './errors.ts'
import { type Environment, executeTree } from './execute.ts'
import type { FunctionTable, GoFunction } from './functions.ts'
import { isEmpty, type Tree } from './nodes.ts'
import { parseTemplate } from './parser.ts'
import { quote } from './quote.ts'
import { ParseError } from './tokens.ts'
import type { GoValue } from './values.ts'

export { TemplateError } from './errors.ts'

export interface TemplateOptions {
  /** What a field of a map gives when the map has no such key: "no value", the zero value (what Helm uses), or an error. */
  readonly missingKey?: 'default' | 'zero' | 'error'
  /** Default "{{" and "}}". */
  readonly leftDelimiter?: string
  readonly rightDelimiter?: string
}

/** A parsed text. */
export interface Template {
  /** Runs it over `data` as its dot and returns what it wrote. Throws TemplateError. */
  execute(data: GoValue): string
}

interface NamedFunction {
  readonly function: GoFunction
  readonly builtin: boolean
}

function named(functions: FunctionTable, builtin: boolean): (readonly [string, NamedFunction])[] {
  return Object.entries(functions).map(([name, fn]) => [name, { function: fn, builtin }])
}

/** What a clone takes over. Functions are many and clones, one for each `tpl`, too: these are shared. */
interface Inherited {
  readonly functions: ReadonlyMap<string, NamedFunction>
  readonly overrides: ReadonlyMap<string, NamedFunction>
  readonly trees: ReadonlyMap<string, Tree>
}

export class TemplateSet {
  readonly name: string
  readonly #options: TemplateOptions
  readonly #functions: ReadonlyMap<string, NamedFunction>
  readonly #overrides: Map<string, NamedFunction>
  readonly #trees: Map<string, Tree>
  readonly #environment: Environment

  /** `name` is only for messages. `functions` are all that templates may call beside Go's own. */
  constructor(name: string, functions: FunctionTable, options: TemplateOptions = {}, inherited?: Inherited) {
    this.name = name
    this.#options = options
    this.#functions = inherited?.functions ?? new Map([...named(builtins, true), ...named(functions, false)])
    this.#overrides = new Map(inherited?.overrides)
    this.#trees = new Map(inherited?.trees)
    this.#environment = {
      missingKey: options.missingKey ?? 'default',
      template: called => this.#trees.get(called),
      function: called => this.#overrides.get(called) ?? this.#functions.get(called),
    }
  }

  /**
   * Parses a text as the template `name`; its define and block actions add or replace further templates of the set. A blank
   * text never replaces a template, but the returned one is always this text. Throws TemplateError.
   */
  parse(name: string, text: string): Template {
    const trees = this.#parse(name, text)
    for (const [defined, tree] of trees)
      if (!this.#trees.has(defined) || !isEmpty(tree.root)) this.#trees.set(defined, tree)
    const own = trees.get(name)!
    return { execute: data => this.#run(isEmpty(own.root) ? own : this.#trees.get(name)!, data) }
  }

  #parse(name: string, text: string): Map<string, Tree> {
    const { leftDelimiter = '{{', rightDelimiter = '}}' } = this.#options
    const isFunction = (called: string): boolean => this.#environment.function(called) !== undefined
    try {
      return parseTemplate({ name, text, leftDelimiter, rightDelimiter, isFunction })
    } catch (error) {
      if (error instanceof ParseError) throw new TemplateError(error.message)
      throw error
    }
  }

  /** Names of all templates. */
  names(): string[] {
    return [...this.#trees.keys()]
  }

  has(name: string): boolean {
    return this.#trees.has(name)
  }

  /** Replaces functions, or adds some, from the next call on. */
  override(functions: FunctionTable): void {
    for (const [name, fn] of named(functions, false)) this.#overrides.set(name, fn)
  }

  /** A set of its own with the same templates and functions: what is added to it later stays with it. */
  clone(): TemplateSet {
    const inherited = { functions: this.#functions, overrides: this.#overrides, trees: this.#trees }
    return new TemplateSet(this.name, {}, this.#options, inherited)
  }

  /** Runs a template over `data` as its dot and returns what it wrote. Throws TemplateError. */
  execute(name: string, data: GoValue): string {
    const tree = this.#trees.get(name)
    if (!tree)
      throw new TemplateError(`template: no template ${quote(name)} associated with template ${quote(this.name)}`)
    return this.#run(tree, data)
  }

  #run(tree: Tree, data: GoValue): string {
    running++
    try {
      return executeTree(tree, data, this.#environment)
    } catch (error) {
      // Go has room for 100,000 templates within templates; here the stack ends first. Where it has ended there is no room
      // to say so either: the outermost ones do.
      if (!(error instanceof RangeError) || running > 2) throw error
      const what = /call stack/.test(error.message) ? 'templates or values are nested too deeply' : 'a text is too long'
      throw new TemplateError(`template: ${tree.name}: ${what}: ${error.message}`)
    } finally {
      running--
    }
  }
}

/** Templates being executed within each other, of all sets: `tpl` makes sets of its own. */
let running = 0
