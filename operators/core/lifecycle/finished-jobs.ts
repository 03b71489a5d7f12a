/** Deletes Jobs some time after they have finished (upstream pkg/controller/ttlafterfinished). */
import { ignoreNotFound } from '../../../bootstrap/api/errors.ts'
import { keyOf } from '../../../bootstrap/api/object.ts'
import { type Job, jobs } from '../../../bootstrap/client/resources.ts'
import { deleteIfPresent, nameOf } from '../../runtime/apply.ts'
import { done, type Operator, on } from '../../runtime/operator.ts'
import { isTerminating } from '../../runtime/pods.ts'
import { millis } from '../../runtime/time.ts'

export function ttlAfterFinished(): Operator {
  return {
    name: 'ttl-after-finished-controller',
    watches: [on(jobs, job => (expiryOf(job) === undefined ? undefined : keyOf(job)))],
    async reconcile(key, { client, clock, informers }) {
      const cached = informers.get(jobs).get(key)
      const expiry = cached && expiryOf(cached)
      if (!cached || expiry === undefined) return done
      if (expiry > clock.now()) return { requeueAfterMs: expiry - clock.now() }
      const live = await client.get(jobs, nameOf(cached)).catch(ignoreNotFound)
      const liveExpiry = live && expiryOf(live)
      if (live?.metadata.uid !== cached.metadata.uid || liveExpiry === undefined) return done
      if (liveExpiry > clock.now()) return { requeueAfterMs: liveExpiry - clock.now() }
      await deleteIfPresent(client, jobs, cached, { propagationPolicy: 'Foreground' })
      return done
    },
  }
}

/** When the Job is to go, in milliseconds since the epoch; undefined while it runs or may stay. */
function expiryOf(job: Job): number | undefined {
  const { ttlSecondsAfterFinished } = job.spec
  if (ttlSecondsAfterFinished === undefined || isTerminating(job)) return undefined
  const end = job.status?.conditions?.find(
    ({ type, status }) => (type === 'Complete' || type === 'Failed') && status === 'True',
  )
  return end && millis(end.lastTransitionTime) + ttlSecondsAfterFinished * 1000
}
