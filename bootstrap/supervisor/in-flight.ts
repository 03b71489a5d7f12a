/** How many agents' requests may be answered at once: what caps the agents that join at the same time. */
import { type ApiRequest, type ApiResponse, textResponse } from '../apiserver/http/message.ts'

export interface InFlightLimits {
  readonly reading: number
  readonly mutating: number
}

/** k3s-io/k3s pkg/server/handlers/router.go. */
export const agentLimits: InFlightLimits = { reading: 20, mutating: 10 }

/** Beyond the limit a request is answered 429 at once, the way the API server's own filter does. */
export function inFlight(limits: InFlightLimits) {
  const open = { reading: 0, mutating: 0 }
  return async (request: ApiRequest, work: () => Promise<ApiResponse>): Promise<ApiResponse> => {
    const kind = request.method === 'GET' || request.method === 'HEAD' ? 'reading' : 'mutating'
    if (open[kind] >= limits[kind]) return tooMany()
    open[kind]++
    try {
      return await work()
    } finally {
      open[kind]--
    }
  }
}

function tooMany(): ApiResponse {
  const response = textResponse(429, 'Too many requests, please try again later.\n')
  return { ...response, headers: { ...response.headers, 'retry-after': '1' } }
}
