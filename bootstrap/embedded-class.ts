/** RuntimeClass `embedded` is part of the kernel: packaged manifests may use it from their first moment. */
import { isAlreadyExists } from './api/errors.ts'
import type { Client } from './client/client.ts'
import { type RuntimeClass, runtimeClasses } from './client/resources.ts'

export async function ensureEmbeddedClass(client: Client): Promise<void> {
  const embedded = {
    apiVersion: 'node.k8s.io/v1',
    kind: 'RuntimeClass',
    metadata: { name: 'embedded' },
    handler: 'embedded',
  }
  try {
    await client.create(runtimeClasses, embedded as RuntimeClass)
  } catch (error) {
    if (!isAlreadyExists(error)) throw error
  }
}
