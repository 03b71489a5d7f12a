/** A TCP socket whose failing writes do not stop it from being read. */
import { Socket } from 'node:net'

type Done = (error?: Error | null) => void

/**
 * A streaming server that is done closes at once, also while input is still on its way to it. Writing then fails, but what the
 * server said before, above all how the command ended, has yet to be read; a plain socket would throw that away.
 */
export class PatientSocket extends Socket {
  #broken = false

  override _write(chunk: Buffer, encoding: BufferEncoding, done: Done): void {
    if (this.#broken) done()
    else super._write(chunk, encoding, this.#forgiving(done))
  }

  override _writev(chunks: { chunk: Buffer; encoding: BufferEncoding }[], done: Done): void {
    if (this.#broken) done()
    else super._writev?.(chunks, this.#forgiving(done))
  }

  #forgiving(done: Done): Done {
    return error => {
      if (error) this.#broken = true
      done()
    }
  }
}
