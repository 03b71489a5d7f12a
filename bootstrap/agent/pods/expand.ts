/** $(VAR) references in commands, arguments, environment values and subPathExpr (third_party/forked/golang/expansion). */

/** Replaces $(NAME); "$$" is one dollar, an unknown name stays as it is. */
export function expand(text: string, values: { readonly [name: string]: string }): string {
  return text.replace(/\$(?:\$|\(([^)]*)\))/g, (whole, name: string | undefined) => {
    if (name === undefined) return '$'
    return values[name] ?? whole
  })
}

/** The names in `text` that `values` lacks. */
export function missingReferences(text: string, values: { readonly [name: string]: string }): string[] {
  const names: string[] = []
  for (const [, name] of text.matchAll(/\$(?:\$|\(([^)]*)\))/g))
    if (name !== undefined && values[name] === undefined) names.push(name)
  return names
}
