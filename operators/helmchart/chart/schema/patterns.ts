/** Regular expressions of schemas; Go's flags at the start of one are understood. */

const compiled = new Map<string, RegExp>()

/** Throws Error when the pattern does not compile. */
export function schemaPattern(source: string): RegExp {
  let expression = compiled.get(source)
  if (expression === undefined) {
    expression = compile(source)
    if (compiled.size > 1000) compiled.clear()
    compiled.set(source, expression)
  }
  return expression
}

function compile(source: string): RegExp {
  const [, flags = '', rest = source] = /^\(\?([ims]+)\)(.*)$/s.exec(source) ?? []
  // Go's names and anchors where JavaScript has others.
  const translated = rest
    .replaceAll('(?P<', '(?<')
    .replace(/\\A/g, '^')
    .replace(/\\z/g, '$')
    .replace(/\[\[:(\w+):\]\]/g, posixClass)
  try {
    return new RegExp(translated, `u${flags}`)
  } catch {
    return lenient(source, translated, flags)
  }
}

/** Outside of unicode mode more is allowed, such as an escaped hyphen or quote. */
function lenient(source: string, translated: string, flags: string): RegExp {
  try {
    return new RegExp(translated, flags)
  } catch (error) {
    throw new Error(`${JSON.stringify(source)} is not valid regex: ${(error as Error).message}`, { cause: error })
  }
}

const classes: { readonly [name: string]: string } = {
  alnum: '[0-9A-Za-z]',
  alpha: '[A-Za-z]',
  digit: '[0-9]',
  lower: '[a-z]',
  upper: '[A-Z]',
  space: '[\\t\\n\\v\\f\\r ]',
  word: '[0-9A-Za-z_]',
  xdigit: '[0-9A-Fa-f]',
}

function posixClass(whole: string, name: string): string {
  return classes[name] ?? whole
}
