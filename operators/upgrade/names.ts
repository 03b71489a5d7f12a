/** Names and image tags, formed as the libraries upstream uses form them. */
import { createHash } from 'node:crypto'

/** Joined by "-", cut to 63 characters with a part of its SHA-256 where it is longer (rancher/wrangler SafeConcatName). */
export function safeName(...parts: readonly string[]): string {
  const full = parts.join('-')
  if (full.length < 64) return full
  const digest = createHash('sha256').update(full).digest('hex')
  return /[a-z0-9]/.test(full[56]!)
    ? `${full.slice(0, 57)}-${digest.slice(0, 5)}`
    : `${full.slice(0, 56)}-${digest.slice(0, 6)}`
}

/** The image with the tag where it has neither tag nor digest; then without Docker Hub's default parts, as upstream writes it. */
export function withTag(image: string, tag: string): string {
  if (image === '' || image.includes('@') || /:[^/]*$/.test(image)) return image
  return `${image.replace(/^(index\.)?docker\.io\//, '').replace(/^library\/(?=[^/]*$)/, '')}:${tag}`
}
