/** Routes of the supervisor that userland answers: the kernel knows who may ask, userland knows what to do. */
import type { ApiRequest, ApiResponse } from '../apiserver/http/message.ts'
import { jsonResponse, textResponse } from '../apiserver/http/message.ts'
import { type Hiding, refuse, refuseHiding } from './answers.ts'

export type AnsweredPath = '/db/snapshot'

/** An object is sent as JSON; a text as it is, or, from 400 on, as the message of a Status, which is how K3s refuses. */
export interface RouteAnswer {
  readonly status: number
  readonly body: object | string
  readonly headers?: { readonly [name: string]: string }
}

export type RouteHandler = (body: Buffer) => Promise<RouteAnswer>

export interface AnsweredRoutes {
  /** From now on `handle` answers POST requests for this path. */
  answer(path: AnsweredPath, handle: RouteHandler): void
  /** Until there is a handler, 503; what it throws is logged and answered with 500. */
  respond(path: AnsweredPath, request: ApiRequest, hiding: Hiding): Promise<ApiResponse>
}

export function answeredRoutes(): AnsweredRoutes {
  const handlers = new Map<AnsweredPath, RouteHandler>()
  return {
    answer: (path, handle) => {
      handlers.set(path, handle)
    },
    async respond(path, request, hiding) {
      if (request.method !== 'POST') return refuse(request, 405, 'method not allowed')
      const handle = handlers.get(path)
      if (!handle) return refuse(request, 503, 'starting')
      try {
        return responseOf(request, await handle(await request.body()))
      } catch (error) {
        return refuseHiding(request, 500, 'etcd-snapshot', error, hiding)
      }
    },
  }
}

function responseOf(request: ApiRequest, { status, body, headers = {} }: RouteAnswer): ApiResponse {
  const response =
    typeof body !== 'string'
      ? jsonResponse(status, body)
      : status >= 400
        ? refuse(request, status, body)
        : textResponse(status, body)
  return { ...response, headers: { ...response.headers, ...headers } }
}
