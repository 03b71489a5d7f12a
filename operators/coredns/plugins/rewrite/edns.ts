/** edns0 rules: options of the query that goes on, "local" with data as text or 0x hex. */
import { type Directive, mistake } from '../../corefile.ts'
import type { Edns, EdnsOption } from '../../wire/message.ts'
import type { Rule } from './rules.ts'

const actions = ['set', 'append', 'replace', 'unset'] as const

export function ednsRule(directive: Directive, mode: Rule['mode'], args: readonly string[]): Rule {
  const [kind, action, codeText, dataText] = args
  const chosen = actions.find(known => known === action)
  if (kind !== 'local' || !chosen)
    throw mistake(
      directive,
      `plugin/rewrite: edns0 "${kind ?? ''} ${action ?? ''}" is not supported, want local set, append, replace or unset`,
    )
  const code = Number(codeText)
  if (!Number.isInteger(code) || code < 0 || code > 65_535)
    throw mistake(directive, `plugin/rewrite: "${codeText ?? ''}" is no EDNS0 code`)
  if (chosen !== 'unset' && (dataText === undefined || /^\{.*\}$/.test(dataText)))
    throw mistake(directive, `plugin/rewrite: edns0 local wants data as text or 0x hex, found "${dataText ?? ''}"`)
  const data = dataOf(dataText ?? '')
  return {
    mode,
    apply(request) {
      const edns: Edns = request.edns ?? { udpSize: 4096, version: 0, dnssecOk: false, options: [] }
      const options = changed(edns.options, chosen, { code, data })
      return options && { request: { ...request, edns: { ...edns, options } }, records: [] }
    },
  }
}

const dataOf = (text: string): Buffer =>
  /^0x[0-9a-f]+$/i.test(text) ? Buffer.from(text.slice(2), 'hex') : Buffer.from(text)

function changed(
  options: readonly EdnsOption[],
  action: (typeof actions)[number],
  option: EdnsOption,
): readonly EdnsOption[] | undefined {
  const others = options.filter(({ code }) => code !== option.code)
  const there = others.length < options.length
  switch (action) {
    case 'set':
      return [...others, option]
    case 'append':
      return there ? undefined : [...options, option]
    case 'replace':
      return there ? [...others, option] : undefined
    case 'unset':
      return others
  }
}
