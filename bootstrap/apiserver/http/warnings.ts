/** Warning headers of one response (apiserver pkg/endpoints/filters/warning.go). */

const maxTotal = 4096
const maxEach = 256

export class Warnings {
  readonly #texts = new Set<string>()

  add(text: string): void {
    if (text !== '') this.#texts.add(text)
  }

  /** Header values; each is cut short once they would be too long together. */
  headers(): readonly string[] {
    const texts = [...this.#texts]
    const total = texts.reduce((sum, text) => sum + [...text].length, 0)
    const kept: string[] = []
    let used = 0
    for (const text of texts) {
      const runes = [...text]
      const cut = total > maxTotal ? runes.slice(0, maxEach) : runes
      if (used + cut.length > maxTotal) break
      used += cut.length
      kept.push(warningHeader(cut.join('')))
    }
    return kept
  }
}

/** `299 - "text"`, with quotes and backslashes escaped and control characters dropped. */
export function warningHeader(text: string): string {
  let printable = ''
  for (const character of text) if (character >= ' ' && character !== '\u007f') printable += character
  return `299 - "${printable.replace(/["\\]/g, character => `\\${character}`)}"`
}
