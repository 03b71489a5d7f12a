/** The access log in Traefik's two formats. Texts of clients are escaped by HAProxy. */

/** Lines of a frontend that capture and write. */
export function logFormat(format: 'common' | 'json', entryPoint: string): string[] {
  const capture = [
    '  http-request capture req.hdr(referer) len 256',
    '  http-request capture req.hdr(user-agent) len 256',
    '  http-request capture req.hdr(host) len 128',
  ]
  return [...capture, `  log-format ${format === 'json' ? json(entryPoint) : common}`]
}

const common = `'%ci - - [%T] "%HM %{+E}HU %HV" %ST %B "%{+E}[capture.req.hdr(0)]" "%{+E}[capture.req.hdr(1)]" %rt "%b" "%si:%sp" %Ta ms'`

function json(entryPoint: string): string {
  const text = (name: string, value: string) => `"${name}":"${value}"`
  const number = (name: string, value: string) => `"${name}":${value}`
  const fields = [
    text('ClientAddr', '%ci:%cp'),
    text('ClientHost', '%ci'),
    number('DownstreamContentSize', '%B'),
    number('DownstreamStatus', '%ST'),
    number('DurationMs', '%Ta'),
    text('RequestHost', '%[capture.req.hdr(2),json(utf8s)]'),
    text('RequestMethod', '%[capture.req.method]'),
    text('RequestPath', '%[capture.req.uri,json(utf8s)]'),
    text('RequestProtocol', '%[capture.req.ver]'),
    number('RetryAttempts', '%rc'),
    text('ServiceAddr', '%si:%sp'),
    text('ServiceName', '%b'),
    text('entryPointName', entryPoint),
    text('level', 'info'),
    text('time', '%T'),
  ]
  return `'{${fields.join(',')}}'`
}
