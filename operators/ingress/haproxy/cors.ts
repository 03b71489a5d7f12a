/** Cross-origin answers of Traefik's headers middleware: preflights are answered here, other answers get the headers. */
import type { Cors } from '../model/model.ts'
import { formatWord, word } from './quote.ts'

export function corsLines(cors: Cors, id: number): string[] {
  const origin = `txn.origin${id}`
  return [...originLines(cors, id, origin), ...preflight(cors, origin), ...answers(cors, origin)]
}

/** The variable holds what Access-Control-Allow-Origin is to say, and is unset for origins that are not allowed. */
function originLines({ origins, originRegexes }: Cors, id: number, variable: string): string[] {
  if (origins.includes('*')) return [`http-request set-var(${variable}) str(*) if { req.hdr(origin) -m found }`]
  return [
    ...origins.map(origin => `acl co${id} req.fhdr(origin) -m str -- ${word(origin)}`),
    ...originRegexes.map(pattern => `acl co${id} req.fhdr(origin) -m reg -- ${word(pattern)}`),
    ...(origins.length + originRegexes.length > 0
      ? [`http-request set-var(${variable}) req.fhdr(origin) if co${id}`]
      : []),
  ]
}

function preflight(cors: Cors, variable: string): string[] {
  const headers: string[] = []
  const add = (name: string, value: string | undefined) => {
    if (value !== undefined && value !== '') headers.push(`hdr ${name} ${formatWord(value)}`)
  }
  add('Access-Control-Allow-Methods', cors.methods.join(','))
  add('Access-Control-Allow-Headers', cors.headers.join(','))
  add('Access-Control-Max-Age', cors.maxAge?.toString())
  add('Access-Control-Allow-Credentials', cors.credentials ? 'true' : undefined)
  const asks = '{ method OPTIONS } { req.hdr(access-control-request-method) -m found } { req.hdr(origin) -m found }'
  const allowed = `hdr Access-Control-Allow-Origin %[var(${variable})]`
  return [
    `http-request return status 200 ${[allowed, ...headers].join(' ')} if ${asks} { var(${variable}) -m found }`,
    ...(headers.length > 0 ? [`http-request return status 200 ${headers.join(' ')} if ${asks}`] : []),
  ]
}

function answers(cors: Cors, variable: string): string[] {
  const when = `if { var(${variable}) -m found }`
  return [
    `http-after-response set-header Access-Control-Allow-Origin %[var(${variable})] ${when}`,
    ...(cors.credentials ? [`http-after-response set-header Access-Control-Allow-Credentials true ${when}`] : []),
    ...(cors.exposeHeaders.length > 0
      ? [
          `http-after-response set-header Access-Control-Expose-Headers ${formatWord(cors.exposeHeaders.join(','))} ${when}`,
        ]
      : []),
    ...(cors.addVary ? ['http-after-response add-header Vary Origin'] : []),
  ]
}
