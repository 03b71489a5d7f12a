/** Where a worker thread's code is: beside this file in the sources, beside the bundle in a release. */

/** URL of the entry of the worker `name` ("writer"): ./writer.ts, or ./sqlite-writer.mjs next to dist/skiff.mjs. */
export function workerEntry(name: string): URL {
  return import.meta.url.endsWith('/skiff.mjs')
    ? new URL(`./sqlite-${name}.mjs`, import.meta.url)
    : new URL(`./${name}.ts`, import.meta.url)
}
