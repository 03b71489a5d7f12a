/** Why another server could not be reached, in one line. */
export function failureText(error: unknown): string {
  if (error instanceof Error && (error.name === 'TimeoutError' || error.name === 'AbortError')) {
    return 'context deadline exceeded'
  }
  // A host of several addresses fails once for each.
  if (error instanceof AggregateError) return (error.errors.at(-1) as Error).message
  return (error as Error).message
}
