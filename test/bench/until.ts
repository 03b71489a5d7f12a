/** Waiting for what the cluster itself makes, without missing it in between. */
import type { Http } from './http.ts'

/** Resolves with the first event of a watch for which `wanted` holds. */
export function untilEvent<T>(http: Http, path: string, wanted: (object: T, type: string) => boolean): Promise<T> {
  return new Promise((resolve, reject) => {
    const stream = http.stream(`${path}${path.includes('?') ? '&' : '?'}watch=1`)
    let rest = ''
    stream.setEncoding('utf8')
    stream.on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop()!
      for (const line of lines) {
        const { type, object } = JSON.parse(line) as { type: string; object: T }
        if (!wanted(object, type)) continue
        resolve(object)
        stream.close()
      }
    })
    stream.once('error', reject)
    stream.once('close', () => reject(new Error(`the watch of ${path} ended`)))
  })
}

/** Pods are refused in a namespace without its service account. */
export async function untilAccount(http: Http, namespace = 'default'): Promise<void> {
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts?fieldSelector=metadata.name%3Ddefault`
  await untilEvent(http, path, (_, type) => type === 'ADDED')
}
