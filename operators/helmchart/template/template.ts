/**
 * Go's text/template. A set holds named templates that call each other; it is parsed once and executed any number of times.
 *
 * ```ts
 * const templates = new TemplateSet('gotpl', { ...helmFunctions(), ...builtins }, { missingKey: 'zero' })
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
import type { FunctionTable } from './functions.ts'
import type { GoValue } from './values.ts'

export interface TemplateOptions {
  /** What a field of a map gives when the map has no such key: "no value", the zero value (what Helm uses), or an error. */
  readonly missingKey?: 'default' | 'zero' | 'error'
  /** Default "{{" and "}}". */
  readonly leftDelimiter?: string
  readonly rightDelimiter?: string
}

/**
 * A mistake in a template, found while parsing or executing; the message is Go's own, as in
 * `template: web/a.yaml:3:4: executing "web/a.yaml" at <include "x" .>: error calling include: ...`.
 * `cause` is the error it wraps, if it wraps one: follow it as Go's errors.Unwrap does.
 */
export class TemplateError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'TemplateError'
  }
}

export class TemplateSet {
  readonly name: string
  readonly options: TemplateOptions
  readonly functions: FunctionTable

  /** `name` is only for messages. `functions` are all that templates may call; Go's own are added to them. */
  constructor(name: string, functions: FunctionTable, options: TemplateOptions = {}) {
    this.name = name
    this.functions = functions
    this.options = options
  }

  /**
   * Parses a text as the template `name`; its define and block actions add or replace further templates of the set. An empty
   * text never replaces a template. Throws TemplateError.
   */
  parse(_name: string, _text: string): void {
    throw new Error('not written yet')
  }

  /** Names of all templates that have a body. */
  names(): string[] {
    throw new Error('not written yet')
  }

  has(_name: string): boolean {
    throw new Error('not written yet')
  }

  /** Replaces functions, or adds some, from the next call on. */
  override(_functions: FunctionTable): void {
    throw new Error('not written yet')
  }

  /** A set of its own with the same templates and functions: what is added to it later stays with it. */
  clone(): TemplateSet {
    throw new Error('not written yet')
  }

  /** Runs a template over `data` as its dot and returns what it wrote. Throws TemplateError. */
  execute(_name: string, _data: GoValue): string {
    throw new Error('not written yet')
  }
}
