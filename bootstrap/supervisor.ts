/** K3s' own routes on the API's port that need no credentials. */

import { textResponse } from './apiserver/http/message.ts'
import type { Route } from './apiserver/server.ts'

export function supervisorRoutes(serverCaPem: string): Route {
  return request => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return undefined
    if (request.path === '/ping') return textResponse(200, 'pong')
    return request.path === '/cacerts' ? textResponse(200, serverCaPem) : undefined
  }
}
