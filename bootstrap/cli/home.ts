/** Where the program's own files are. */
import { join } from 'node:path'

/** The folder of manifests/ and crds/: beside the one the program was built into, unless SKIFF_HOME says otherwise. */
export function homeOf(host: NodeJS.Process): string {
  return host.env.SKIFF_HOME ?? join(import.meta.dirname, import.meta.filename.endsWith('.mjs') ? '..' : '../..')
}
