/** Which of the two ways of applying a new revision uses. */
import type { Release, ServerSide } from './release.ts'

/** 'auto' keeps to the method of the former revision; one that names none was applied by the client. */
export function appliesOnServer(serverSide: ServerSide, former: Release): boolean {
  return serverSide === 'auto' ? former.apply_method === 'ssa' : serverSide === 'true'
}
