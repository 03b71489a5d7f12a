/** What label keys and values may look like; texts are upstream's (apimachinery pkg/util/validation). */

const dns1123Label = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
const subdomain = `${dns1123Label}(\\.${dns1123Label})*`
const qualifiedName = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]'
const labelValue = `(${qualifiedName})?`

const subdomainPattern = new RegExp(`^${subdomain}$`)
const qualifiedNamePattern = new RegExp(`^${qualifiedName}$`)
const labelValuePattern = new RegExp(`^${labelValue}$`)

const nameText =
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"

/** "must ... (e.g. 'a',  or 'b', regex used for validation is '...')", the way upstream explains a pattern. */
export function patternText(what: string, pattern: string, examples: readonly string[]): string {
  if (examples.length === 0) return `${what} (regex used for validation is '${pattern}')`
  return `${what} (e.g. ${examples.map(example => `'${example}', `).join(' or ')}regex used for validation is '${pattern}')`
}

/** Upstream's text for what is too long; it counts bytes. */
export const maxLength = (length: number) => `must be no more than ${length} bytes`

/** What is wrong with a DNS-1123 subdomain; empty when nothing is. */
export function subdomainErrors(text: string): string[] {
  const found: string[] = []
  if (text.length > 253) found.push(maxLength(253))
  if (!subdomainPattern.test(text)) {
    const rule =
      "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character"
    found.push(patternText(rule, subdomain, ['example.com']))
  }
  return found
}

/** What is wrong with a label or annotation key ("name" or "prefix/name"); empty when nothing is. */
export function qualifiedNameErrors(key: string): string[] {
  const parts = key.split('/')
  const rule = () => patternText(nameText, qualifiedName, ['MyName', 'my.name', '123-abc'])
  if (parts.length > 2) {
    return [`a qualified name ${rule()} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`]
  }
  const name = parts.at(-1)!
  const found: string[] = []
  if (parts.length === 2) {
    const prefix = parts[0]!
    const wrong = prefix === '' ? ['must be non-empty'] : subdomainErrors(prefix)
    found.push(...wrong.map(text => `prefix part ${text}`))
  }
  if (name === '') found.push('name part must be non-empty')
  else if (name.length > 63) found.push(`name part ${maxLength(63)}`)
  if (!qualifiedNamePattern.test(name)) found.push(`name part ${rule()}`)
  return found
}

/** What is wrong with a label value; empty when nothing is. */
export function labelValueErrors(value: string): string[] {
  const found: string[] = []
  if (value.length > 63) found.push(maxLength(63))
  if (!labelValuePattern.test(value)) {
    const rule = `a valid label must be an empty string or consist of ${nameText.slice('must consist of '.length)}`
    found.push(patternText(rule, labelValue, ['MyValue', 'my_value', '12345']))
  }
  return found
}
