/** Opening a database: what is wrong with the endpoint is said in one line, what may pass is waited for. */
import { type Datastore, UnavailableError } from '../datastore.ts'
import { EndpointError } from '../endpoint.ts'
import { monotonicMs } from './limits.ts'
import { isPassing, type LinkOptions } from './link.ts'
import { ConnectionError, StatementError } from './log-connection.ts'
import { openSqlDatastore } from './sql-datastore.ts'

export interface OpenOptions extends LinkOptions {
  /** Makes sure that the log is there. */
  prepare(): Promise<void>
}

/** Tries for as long as any call may take, so that a database that starts together with us is found. EndpointError. */
export async function openSql(options: OpenOptions): Promise<Datastore> {
  const { clock, limits, name } = options
  const until = monotonicMs() + limits.giveUpMs
  for (;;) {
    try {
      await options.prepare()
      return await openSqlDatastore(options)
    } catch (error) {
      const { message } = error as Error
      if (error instanceof EndpointError) throw new EndpointError(`${name}: ${message}`)
      if (!isPassing(error) || monotonicMs() >= until)
        throw [ConnectionError, StatementError, UnavailableError].some(kind => error instanceof kind)
          ? new EndpointError(`cannot use ${name}: ${message}`, { cause: error })
          : error
      await clock.sleep(retryMs, new AbortController().signal)
    }
  }
}

const retryMs = 500
