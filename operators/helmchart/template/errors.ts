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
