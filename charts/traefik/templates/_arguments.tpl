{{- /* Traefik's static configuration, a line per argument. */ -}}
{{- define "traefik.arguments" -}}
{{- $ports := include "traefik.ports" . | fromYaml }}
{{- range $argument := .Values.globalArguments }}
- {{ $argument | quote }}
{{- end }}
{{- if not .Values.global.checkNewVersion }}
- "--global.checkNewVersion=false"
{{- end }}
{{- if .Values.global.sendAnonymousUsage }}
- "--global.sendAnonymousUsage"
{{- end }}
{{- range $name, $config := $ports }}
{{- if $config }}
- "--entryPoints.{{ $name }}.address={{ $config.hostIP }}:{{ $config.port }}/{{ default "tcp" $config.protocol | lower }}"
{{- with $config.asDefault }}
- "--entryPoints.{{ $name }}.asDefault={{ . }}"
{{- end }}
{{- $http := default dict $config.http }}
{{- $tls := default $config.tls $http.tls }}
{{- if and $tls $tls.enabled }}
- "--entryPoints.{{ $name }}.http.tls=true"
{{- with $tls.options }}
- "--entryPoints.{{ $name }}.http.tls.options={{ . }}"
{{- end }}
{{- end }}
{{- with (default $config.middlewares $http.middlewares) }}
- "--entryPoints.{{ $name }}.http.middlewares={{ join "," . }}"
{{- end }}
{{- $redirections := default $config.redirections $http.redirections }}
{{- $redirect := ternary (default dict $redirections).entryPoint $config.redirectTo (kindIs "map" (default dict $redirections).entryPoint) }}
{{- if $redirect }}
{{- $to := default $redirect.to $redirect.port }}
{{- if hasKey $.Values.ports $to }}
- "--entryPoints.{{ $name }}.http.redirections.entryPoint.to=:{{ include "traefik.exposed" (dict "Values" $.Values "port" $to) }}"
{{- else }}
- "--entryPoints.{{ $name }}.http.redirections.entryPoint.to={{ $to }}"
{{- end }}
- "--entryPoints.{{ $name }}.http.redirections.entryPoint.scheme={{ default "https" $redirect.scheme }}"
{{- if hasKey $redirect "permanent" }}
- "--entryPoints.{{ $name }}.http.redirections.entryPoint.permanent={{ $redirect.permanent }}"
{{- end }}
{{- end }}
{{- with $config.forwardedHeaders }}
{{- with .trustedIPs }}
- "--entryPoints.{{ $name }}.forwardedHeaders.trustedIPs={{ join "," . }}"
{{- end }}
{{- if .insecure }}
- "--entryPoints.{{ $name }}.forwardedHeaders.insecure"
{{- end }}
{{- end }}
{{- with $config.proxyProtocol }}
{{- with .trustedIPs }}
- "--entryPoints.{{ $name }}.proxyProtocol.trustedIPs={{ join "," . }}"
{{- end }}
{{- if .insecure }}
- "--entryPoints.{{ $name }}.proxyProtocol.insecure"
{{- end }}
{{- end }}
{{- end }}
{{- end }}
- "--ping=true"
{{- if and .Values.metrics .Values.metrics.prometheus }}
- "--metrics.prometheus=true"
- "--metrics.prometheus.entrypoint={{ default "metrics" .Values.metrics.prometheus.entryPoint }}"
{{- end }}
{{- with .Values.providers.kubernetesCRD }}
{{- if .enabled }}
- "--providers.kubernetescrd"
{{- with .ingressClass }}
- "--providers.kubernetescrd.ingressClass={{ . }}"
{{- end }}
{{- if .allowCrossNamespace }}
- "--providers.kubernetescrd.allowCrossNamespace=true"
{{- end }}
{{- if .allowExternalNameServices }}
- "--providers.kubernetescrd.allowExternalNameServices=true"
{{- end }}
{{- with .namespaces }}
- "--providers.kubernetescrd.namespaces={{ join "," . }}"
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.providers.kubernetesIngress }}
{{- if .enabled }}
- "--providers.kubernetesingress"
{{- if .allowExternalNameServices }}
- "--providers.kubernetesingress.allowExternalNameServices=true"
{{- end }}
{{- if and $.Values.service.enabled .publishedService.enabled }}
- "--providers.kubernetesingress.ingressendpoint.publishedservice={{ default (printf "%s/%s" $.Release.Namespace (include "traefik.fullname" $)) .publishedService.pathOverride }}"
{{- end }}
{{- with .ingressClass }}
- "--providers.kubernetesingress.ingressClass={{ . }}"
{{- end }}
{{- with .namespaces }}
- "--providers.kubernetesingress.namespaces={{ join "," . }}"
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.providers.kubernetesGateway }}
{{- if .enabled }}
- "--providers.kubernetesgateway"
{{- if .experimentalChannel }}
- "--providers.kubernetesgateway.experimentalChannel=true"
{{- end }}
{{- if and $.Values.service.enabled .statusAddress.service.enabled }}
- "--providers.kubernetesgateway.statusaddress.service.name={{ default (include "traefik.fullname" $) .statusAddress.service.name }}"
- "--providers.kubernetesgateway.statusaddress.service.namespace={{ default $.Release.Namespace .statusAddress.service.namespace }}"
{{- end }}
{{- with .namespaces }}
- "--providers.kubernetesgateway.namespaces={{ join "," . }}"
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.logs }}
- "--log.level={{ default "INFO" .general.level | upper }}"
{{- if .access.enabled }}
- "--accesslog=true"
{{- with .access.format }}
- "--accesslog.format={{ . }}"
{{- end }}
{{- end }}
{{- end }}
{{- range $argument := .Values.additionalArguments }}
- {{ $argument | quote }}
{{- end }}
{{- end -}}
