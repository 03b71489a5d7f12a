/** A CronJob's status while one reconcile changes it. */
import type { CronJobStatus, ObjectReference } from '../../../../bootstrap/api/types.gen.ts'
import type { Job } from '../../../../bootstrap/client/resources.ts'
import { millis, timestamp } from '../../../runtime/time.ts'
import { outcomeOf, referenceTo } from './jobs.ts'

export class Books {
  active: readonly ObjectReference[]
  #lastScheduleTime: string | undefined
  #lastSuccessfulTime: string | undefined

  constructor({ active = [], lastScheduleTime, lastSuccessfulTime }: CronJobStatus) {
    this.active = active
    this.#lastScheduleTime = lastScheduleTime
    this.#lastSuccessfulTime = lastSuccessfulTime
  }

  lists(job: Job): boolean {
    return this.active.some(({ uid }) => uid === job.metadata.uid)
  }

  drop(uid: string | undefined): void {
    this.active = this.active.filter(reference => reference.uid !== uid)
  }

  /** A Job runs for the scheduled time (milliseconds since the epoch). */
  started(job: Job, scheduled: number): void {
    this.active = [...this.active, referenceTo(job)]
    this.#lastScheduleTime = timestamp(scheduled)
  }

  succeeded(job: Job): void {
    const completed = job.status?.completionTime
    if (outcomeOf(job) === 'Complete' && millis(completed) > millis(this.#lastSuccessfulTime))
      this.#lastSuccessfulTime = completed
  }

  status(): CronJobStatus {
    return {
      active: this.active.length > 0 ? this.active : undefined,
      lastScheduleTime: this.#lastScheduleTime,
      lastSuccessfulTime: this.#lastSuccessfulTime,
    }
  }
}
