/** HAProxy's counters under Traefik's names. Codes are classes ("2xx"): HAProxy does not count them one by one. */
import type { Settings } from '../settings.ts'

type Row = ReadonlyMap<string, string>

/** `stat` is the answer to "show stat". */
export function renderMetrics(
  stat: string,
  settings: Settings,
  counts: { readonly reloads: number; readonly patches: number },
): string {
  const rows = table(stat)
  const frontends = rows.filter(
    row => row.get('svname') === 'FRONTEND' && settings.entryPoints.some(({ name }) => name === row.get('pxname')),
  )
  const backends = rows.filter(row => row.get('svname') === 'BACKEND' && row.get('mode') === 'http')
  const protocol = (name: string) =>
    settings.entryPoints.find(entryPoint => entryPoint.name === name)?.tls ? 'https' : 'http'
  const entry = (row: Row) => `entrypoint="${row.get('pxname')}"`
  const service = (row: Row) => `service="${row.get('pxname')}"`
  return [
    ...metric('traefik_config_reloads_total', 'counter', 'Reloads of the configuration', [
      `traefik_config_reloads_total ${counts.reloads}`,
    ]),
    ...metric('skiff_ingress_runtime_changes_total', 'counter', 'Changes made without a reload', [
      `skiff_ingress_runtime_changes_total ${counts.patches}`,
    ]),
    ...metric(
      'traefik_entrypoint_requests_total',
      'counter',
      'Requests by entry point and class of status code',
      frontends.flatMap(row =>
        codes(row).map(
          ([code, count]) =>
            `traefik_entrypoint_requests_total{code="${code}",${entry(row)},protocol="${protocol(row.get('pxname') ?? '')}"} ${count}`,
        ),
      ),
    ),
    ...single('traefik_entrypoint_requests_bytes_total', 'counter', 'Bytes received', frontends, entry, 'bin'),
    ...single('traefik_entrypoint_responses_bytes_total', 'counter', 'Bytes sent', frontends, entry, 'bout'),
    ...single('traefik_open_connections', 'gauge', 'Open connections', frontends, entry, 'scur'),
    ...metric(
      'traefik_service_requests_total',
      'counter',
      'Requests by service and class of status code',
      backends.flatMap(row =>
        codes(row).map(([code, count]) => `traefik_service_requests_total{code="${code}",${service(row)}} ${count}`),
      ),
    ),
    ...single('traefik_service_retries_total', 'counter', 'Retries', backends, service, 'wretr'),
    ...single('traefik_service_requests_bytes_total', 'counter', 'Bytes sent to the service', backends, service, 'bin'),
    ...single('traefik_service_responses_bytes_total', 'counter', 'Bytes of the service', backends, service, 'bout'),
    '',
  ].join('\n')
}

function table(text: string): Row[] {
  const [head = '', ...lines] = text.trim().split('\n')
  const names = head.replace(/^# /, '').split(',')
  return lines.map(line => new Map(line.split(',').map((value, index) => [names[index] ?? '', value])))
}

const codes = (row: Row): [string, string][] =>
  ['1xx', '2xx', '3xx', '4xx', '5xx']
    .map((code): [string, string] => [code, row.get(`hrsp_${code}`) || '0'])
    .filter(([, count]) => count !== '0')

const metric = (name: string, type: string, help: string, lines: readonly string[]): string[] => [
  `# HELP ${name} ${help}`,
  `# TYPE ${name} ${type}`,
  ...lines,
]

function single(
  name: string,
  type: string,
  help: string,
  rows: readonly Row[],
  label: (row: Row) => string,
  field: string,
): string[] {
  return metric(
    name,
    type,
    help,
    rows.map(row => `${name}{${label(row)}} ${row.get(field) || 0}`),
  )
}
