/**
 * The static configuration of Traefik, as its command line spells it: `--entryPoints.web.address=:8000/tcp`. Options
 * are compared without case, as Traefik does; those without meaning here are kept apart to be reported.
 */

export interface EntryPoint {
  readonly name: string
  readonly port: number
  /** Routers of this entry point are reached by TLS. */
  readonly tls: boolean
  /** TLSOption "namespace-name@kubernetescrd" of routers that name none. */
  readonly tlsOptions: string | undefined
  /** Middlewares "namespace-name@kubernetescrd" before those of the router. */
  readonly middlewares: readonly string[]
  readonly redirect: { readonly to: string; readonly scheme: string; readonly permanent: boolean } | undefined
  /** Peers whose X-Forwarded-* headers are believed. */
  readonly trusted: readonly string[]
  readonly trustAll: boolean
  /** Peers that speak the PROXY protocol. */
  readonly proxyProtocol: readonly string[]
  /** Used by routers that name no entry point. */
  readonly isDefault: boolean
}

export interface Settings {
  readonly entryPoints: readonly EntryPoint[]
  /** The entry points of probes and metrics; undefined when off. */
  readonly pingPort: number | undefined
  readonly metricsPort: number | undefined
  readonly accessLog: 'off' | 'common' | 'json'
  readonly debug: boolean
  readonly ingress: {
    readonly enabled: boolean
    readonly ingressClass: string | undefined
    readonly namespaces: readonly string[]
    /** "namespace/name" of the Service whose addresses Ingresses show. */
    readonly publishedService: string | undefined
    readonly ip: string | undefined
    readonly hostname: string | undefined
    readonly allowExternalNames: boolean
  }
  readonly crd: {
    readonly enabled: boolean
    readonly ingressClass: string | undefined
    readonly namespaces: readonly string[]
    readonly allowCrossNamespace: boolean
    readonly allowExternalNames: boolean
  }
  readonly gateway: {
    readonly enabled: boolean
    readonly namespaces: readonly string[]
    readonly publishedService: string | undefined
  }
  readonly insecureSkipVerify: boolean
  /** Arguments that are understood by Traefik only. */
  readonly ignored: readonly string[]
}

const understood = [
  /^entrypoints\.[^.]+\.(address|asdefault)$/,
  /^entrypoints\.[^.]+\.http\.(tls|tls\.options|middlewares)$/,
  /^entrypoints\.[^.]+\.http\.redirections\.entrypoint\.(to|scheme|permanent|priority)$/,
  /^entrypoints\.[^.]+\.(forwardedheaders|proxyprotocol)\.(insecure|trustedips)$/,
  /^ping(\.entrypoint)?$/,
  /^metrics\.prometheus(\.entrypoint)?$/,
  /^accesslog(\.format)?$/,
  /^log\.level$/,
  /^providers\.kubernetes(ingress|crd|gateway)$/,
  /^providers\.kubernetes(ingress|crd)\.(ingressclass|namespaces|allowexternalnameservices|allowcrossnamespace)$/,
  /^providers\.kubernetesgateway\.(namespaces|experimentalchannel)$/,
  /^providers\.kubernetesgateway\.statusaddress\.service\.(name|namespace)$/,
  /^providers\.kubernetesingress\.ingressendpoint\.(publishedservice|ip|hostname)$/,
  /^serverstransport\.insecureskipverify$/,
  // Without effect here, and without loss: nothing phones home, and there is no dashboard.
  /^(global|api)\b/,
]

/** Reads the arguments. Throws one line naming the argument that makes no sense. */
export function parseSettings(args: readonly string[]): Settings {
  const options = new Map<string, string>()
  for (const arg of args) {
    const [, name, , value] = /^--?([^=]+)(=([\s\S]*))?$/.exec(arg) ?? []
    if (name === undefined) throw new Error(`argument "${arg}" is no option; options look like --name=value`)
    options.set(name.toLowerCase(), value ?? 'true')
  }
  const on = (name: string): boolean =>
    [...options].some(([key, value]) => (key === name && value !== 'false') || key.startsWith(`${name}.`))
  const isTrue = (name: string): boolean => options.get(name) === 'true'
  const words = (name: string): string[] =>
    (options.get(name) ?? '')
      .split(',')
      .map(word => word.trim())
      .filter(Boolean)
  const names = [...new Set([...options.keys()].flatMap(key => /^entrypoints\.([^.]+)\./.exec(key)?.[1] ?? []))]
  const named = names.filter(name => options.has(`entrypoints.${name}.address`))
  const internal = {
    ping: options.get('ping.entrypoint') ?? 'traefik',
    metrics: options.get('metrics.prometheus.entrypoint') ?? 'traefik',
  }
  const ports = new Map(named.map(name => [name, portOf(name, options.get(`entrypoints.${name}.address`) ?? '')]))
  const asDefault = named.filter(name => isTrue(`entrypoints.${name}.asdefault`))
  const isInternal = (name: string) =>
    name === 'traefik' ||
    (name === internal.metrics && on('metrics.prometheus')) ||
    (name === internal.ping && on('ping'))
  const provider = (name: string) => ({
    enabled: on(`providers.${name}`),
    ingressClass: options.get(`providers.${name}.ingressclass`) || undefined,
    namespaces: words(`providers.${name}.namespaces`),
    allowExternalNames: isTrue(`providers.${name}.allowexternalnameservices`),
  })
  const gatewayService = options.get('providers.kubernetesgateway.statusaddress.service.name')
  return {
    entryPoints: named
      .filter(name => !isInternal(name) && !options.get(`entrypoints.${name}.address`)?.endsWith('/udp'))
      .map(name => {
        const at = (rest: string) => `entrypoints.${name}.${rest}`
        const to = options.get(at('http.redirections.entrypoint.to'))
        return {
          name,
          port: ports.get(name)!,
          tls: on(at('http.tls')),
          tlsOptions: options.get(at('http.tls.options')) || undefined,
          middlewares: words(at('http.middlewares')),
          redirect:
            to === undefined
              ? undefined
              : {
                  to,
                  scheme: options.get(at('http.redirections.entrypoint.scheme')) ?? 'https',
                  permanent: options.get(at('http.redirections.entrypoint.permanent')) !== 'false',
                },
          trusted: words(at('forwardedheaders.trustedips')),
          trustAll: isTrue(at('forwardedheaders.insecure')),
          proxyProtocol: isTrue(at('proxyprotocol.insecure'))
            ? ['0.0.0.0/0', '::/0']
            : words(at('proxyprotocol.trustedips')),
          isDefault: asDefault.length === 0 || asDefault.includes(name),
        }
      }),
    pingPort: on('ping') ? ports.get(internal.ping) : undefined,
    metricsPort: on('metrics.prometheus') ? ports.get(internal.metrics) : undefined,
    accessLog: !on('accesslog') ? 'off' : options.get('accesslog.format') === 'json' ? 'json' : 'common',
    debug: options.get('log.level')?.toUpperCase() === 'DEBUG',
    ingress: {
      ...provider('kubernetesingress'),
      publishedService: options.get('providers.kubernetesingress.ingressendpoint.publishedservice') || undefined,
      ip: options.get('providers.kubernetesingress.ingressendpoint.ip'),
      hostname: options.get('providers.kubernetesingress.ingressendpoint.hostname'),
    },
    crd: { ...provider('kubernetescrd'), allowCrossNamespace: isTrue('providers.kubernetescrd.allowcrossnamespace') },
    gateway: {
      enabled: on('providers.kubernetesgateway'),
      namespaces: words('providers.kubernetesgateway.namespaces'),
      publishedService:
        gatewayService &&
        `${options.get('providers.kubernetesgateway.statusaddress.service.namespace') ?? ''}/${gatewayService}`,
    },
    insecureSkipVerify: isTrue('serverstransport.insecureskipverify'),
    ignored: [...options.keys()].filter(name => !understood.some(pattern => pattern.test(name))),
  }
}

function portOf(name: string, address: string): number {
  const port = Number(/:(\d+)(\/tcp|\/udp)?$/.exec(address)?.[1])
  if (port > 0 && port < 65_536) return port
  throw new Error(`entry point ${name}: "${address}" is no address; addresses look like :8000 or :8000/tcp`)
}
