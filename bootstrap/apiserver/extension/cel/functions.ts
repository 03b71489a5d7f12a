/** The functions that expressions of the API may call, with its own patterns and formats. */
import { labelValueErrors, qualifiedNameErrors, subdomainErrors } from '../../../api/labels.ts'
import type { FunctionTable } from '../../../cel/functions.ts'
import { kubernetesFunctions } from '../../../cel/library/index.ts'
import { dns1035Label, dnsLabel } from '../../kinds/common/names.ts'
import { goPattern } from '../go-pattern.ts'

const prefixOf = (rule: (text: string) => string[]) => (text: string) => rule(text.replace(/-$/, 'a'))

const known = new Map<string, RegExp | undefined>()

/** Only what Go accepts; almost all of that means the same in JavaScript, whose engine then also finds the match. */
function pattern(text: string): RegExp | undefined {
  if (!known.has(text)) {
    if (known.size > 1000) known.clear()
    known.set(text, goPattern(text) && compiled(text))
  }
  return known.get(text)
}

function compiled(text: string): RegExp | undefined {
  for (const flags of ['u', '']) {
    try {
      const [, modes = '', rest = text] = /^\(\?([ims]+)\)(.*)$/s.exec(text) ?? []
      return new RegExp(rest, flags + modes)
    } catch {
      // Written for Go only, such as \z.
    }
  }
  return undefined
}

export const functions: FunctionTable = kubernetesFunctions({
  patterns: pattern,
  formats: {
    dns1123Label: dnsLabel,
    dns1123Subdomain: subdomainErrors,
    dns1035Label,
    qualifiedName: qualifiedNameErrors,
    dns1123LabelPrefix: prefixOf(dnsLabel),
    dns1123SubdomainPrefix: prefixOf(subdomainErrors),
    dns1035LabelPrefix: prefixOf(dns1035Label),
    labelValue: labelValueErrors,
  },
})
