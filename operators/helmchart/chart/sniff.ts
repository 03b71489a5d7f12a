/** A guess at what some bytes are, for the message that they are no chart. */

const signatures: readonly (readonly [RegExp, string])[] = [
  [/^\s*<(!doctype html|html|head|body|script|title|h1|div|p|a|b|br|table|!--)[\s>]/i, 'text/html; charset=utf-8'],
  [/^\s*<\?xml/, 'text/xml; charset=utf-8'],
  [/^PK/, 'application/zip'],
  [/^%PDF-/, 'application/pdf'],
  [/^.PNG\r\n/, 'image/png'],
]

/** The media type of `bytes`, named as Go's net/http does for the common cases. */
export function describeContent(bytes: Uint8Array): string {
  const head = Buffer.from(bytes.subarray(0, 512)).toString('latin1')
  const known = signatures.find(([signature]) => signature.test(head))
  if (known) return known[1]
  // Control characters are no text, but for tab, line feed, form feed, carriage return and escape.
  const binary = /\p{Cc}/u.test(head.replace(/[\t\n\f\r\u{80}-\u{ff}]/gu, ''))
  return binary ? 'application/octet-stream' : 'text/plain; charset=utf-8'
}
