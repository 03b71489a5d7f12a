/** K3s' own routes that need no credentials. */

import { textResponse } from '../apiserver/http/message.ts'
import type { Route } from '../apiserver/server.ts'

export function openRoutes(serverCaPem: string): Route {
  return request => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return undefined
    if (request.path === '/ping') return textResponse(200, 'pong')
    return request.path === '/cacerts'
      ? { ...textResponse(200, serverCaPem), headers: { 'content-type': 'text/plain' } }
      : undefined
  }
}

/** The answer of the first route that takes the request; one that promises an answer has taken it. */
export function firstOf(...routes: readonly Route[]): Route {
  return (request, user) => {
    for (const route of routes) {
      const response = route(request, user)
      if (response) return response
    }
    return undefined
  }
}
