/** The pod-template-hash: FNV-1a over the template, written in characters that spell no words (upstream ComputeHash). */
import type { PodTemplateSpec } from '../../../bootstrap/api/types.gen.ts'

export const templateHashLabel = 'pod-template-hash'

const alphabet = 'bcdfghjklmnpqrstvwxz2456789'

/** The hash of a template; a collision count tells apart templates that share one. */
export function templateHash(template: PodTemplateSpec, collisionCount: number | undefined): string {
  const sum = fnv1a(canonical(template) + (collisionCount === undefined ? '' : String(collisionCount)))
  return safeText(String(sum))
}

/** Replaces each character by one of the safe alphabet. */
export function safeText(text: string): string {
  return [...text].map(char => alphabet[char.charCodeAt(0) % alphabet.length]).join('')
}

export function fnv1a(text: string): number {
  let hash = 0x811c9dc5
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0
  return hash
}

/** JSON with sorted keys and without empty members, so that equal templates give equal text. */
export function canonical(value: unknown): string {
  return JSON.stringify(normal(value)) ?? 'null'
}

function normal(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(normal)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(([, item]) => item !== undefined && item !== null)
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, item]) => [key, normal(item)]))
}

/** Whether two templates are the same but for the hash label. */
export function sameTemplate(a: PodTemplateSpec, b: PodTemplateSpec): boolean {
  return canonical(withoutHash(a)) === canonical(withoutHash(b))
}

function withoutHash(template: PodTemplateSpec): PodTemplateSpec {
  const { [templateHashLabel]: _hash, ...labels } = template.metadata?.labels ?? {}
  const { creationTimestamp: _time, ...metadata } = template.metadata ?? {}
  return { ...template, metadata: { ...metadata, labels } }
}
