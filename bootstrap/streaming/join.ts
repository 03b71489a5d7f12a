/** Copies bytes between two connections both ways, each as fast as the slower side reads. */
import type { Duplex } from 'node:stream'

/** A side that ends lets the other finish; one that breaks, or closes before it has taken everything, takes the other with it. */
export function joinStreams(left: Duplex, right: Duplex): void {
  copy(left, right)
  copy(right, left)
}

function copy(from: Duplex, to: Duplex): void {
  from.pipe(to)
  from.on('error', () => to.destroy())
  from.once('close', () => {
    if (!from.readableEnded || !from.writableFinished) to.destroy()
  })
}
