/**
 * Answers that can be given again as they are: by the bytes of the question, only the id is another. This is what makes
 * the usual question cost no decoding, no lookup and no encoding.
 */

import type { Reply } from '../plugins/plugin.ts'
import { types } from '../wire/constants.ts'
import type { Encoded } from '../wire/message.ts'

const capacity = 8192
/** Longer questions are rare, and would make large keys. */
const longestKey = 512

export interface ReadyAnswer<T> {
  readonly bytes: Buffer
  readonly until: number
  /** Equal records whose order is changed each time; undefined when there are none. */
  readonly ring: { readonly start: number; readonly size: number; readonly count: number } | undefined
  readonly about: T
}

export class ReadyAnswers<T> {
  readonly #answers = new Map<string, ReadyAnswer<T>>()

  find(packet: Buffer, now: number): ReadyAnswer<T> | undefined {
    if (packet.length < 17 || packet.length > longestKey) return undefined
    const answer = this.#answers.get(keyOf(packet))
    return answer && now < answer.until ? answer : undefined
  }

  add(packet: Buffer, reply: Reply, { bytes, answerOffsets }: Encoded, now: number, about: T): void {
    if (reply.reusableUntil <= now || packet.length > longestKey) return
    const ring = reply.shuffled ? ringOf(reply, answerOffsets) : undefined
    if (reply.shuffled && !ring) return
    if (this.#answers.size >= capacity) this.#answers.clear()
    this.#answers.set(keyOf(packet), { bytes, until: reply.reusableUntil, ring, about })
  }

  clear(): void {
    if (this.#answers.size > 0) this.#answers.clear()
  }
}

/** All but the id. */
const keyOf = (packet: Buffer): string => packet.toString('latin1', 2)

/** The bytes for a packet: the answer with its id, its equal records turned by some places. */
export function bytesFor<T>({ bytes, ring }: ReadyAnswer<T>, packet: Buffer, random: () => number): Buffer {
  const answer = Buffer.allocUnsafe(bytes.length)
  bytes.copy(answer)
  answer[0] = packet[0]!
  answer[1] = packet[1]!
  if (!ring) return answer
  const { start, size, count } = ring
  const first = Math.floor(random() * count) * size
  const end = start + size * count
  bytes.copy(answer, start, start + first, end)
  bytes.copy(answer, end - first, start, start + first)
  return answer
}

/** The address records, if they follow each other and are of one size: then any order of them is the same message. */
function ringOf({ answers }: Reply, offsets: readonly number[]): ReadyAnswer<unknown>['ring'] {
  const isAddress = (at: number) => answers[at]!.type === types.A || answers[at]!.type === types.AAAA
  const at = answers.findIndex((_, index) => isAddress(index))
  const count = answers.length - at
  const size = (offsets[at + 1] ?? 0) - offsets[at]!
  for (let index = at; index < answers.length; index++)
    if (!isAddress(index) || (offsets[index + 1] ?? 0) - offsets[index]! !== size) return undefined
  return { start: offsets[at]!, size, count }
}
