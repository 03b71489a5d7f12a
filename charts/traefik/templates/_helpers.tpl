{{- define "traefik.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}{{- end -}}
{{- end -}}
{{- end -}}

{{- define "traefik.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}-{{ .Release.Namespace }}
{{- end -}}

{{- define "traefik.labels" -}}
{{ include "traefik.selector" . }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "traefik.account" -}}
{{- default (include "traefik.fullname" .) .Values.serviceAccount.name -}}
{{- end -}}

{{- define "traefik.role" -}}
{{- printf "%s-%s" (include "traefik.fullname" .) .Release.Namespace -}}
{{- end -}}

{{- /* Empty unless Skiff's own ingress is to run: an image of one's own is Traefik. */ -}}
{{- define "traefik.embedded" -}}
{{- if not (or .Values.image.registry .Values.image.repository .Values.image.tag) -}}yes{{- end -}}
{{- end -}}

{{- define "traefik.image" -}}
{{- if include "traefik.embedded" . -}}
embedded/ingress
{{- else -}}
{{- $repository := default "rancher/mirrored-library-traefik" .Values.image.repository -}}
{{- $registry := default .Values.global.systemDefaultRegistry .Values.image.registry -}}
{{- $tag := default .Chart.AppVersion .Values.image.tag | toString | trimPrefix "v" -}}
{{- if $registry -}}{{ $registry }}/{{- end -}}{{ $repository }}:{{ $tag }}
{{- end -}}
{{- end -}}

{{- /* The number a port is reached by from outside, for redirections to it. */ -}}
{{- define "traefik.exposed" -}}
{{- $config := index .Values.ports .port -}}
{{- default $config.port $config.exposedPort -}}
{{- end -}}

{{- /* Whether a port belongs to the Service: true, or a map with an entry for it. */ -}}
{{- define "traefik.isExposed" -}}
{{- if kindIs "bool" .expose -}}{{- if .expose -}}yes{{- end -}}
{{- else if (default dict .expose).default -}}yes{{- end -}}
{{- end -}}

{{- /* The ports as YAML. A port of the user's that is that of probes moves the latter aside: older guides have such values. */ -}}
{{- define "traefik.ports" -}}
{{- $ports := deepCopy .Values.ports -}}
{{- range $name, $config := .Values.ports -}}
{{- if and $config (ne $name "traefik") (eq (int $config.port) (int $.Values.ports.traefik.port)) -}}
{{- $_ := set $ports.traefik "port" 9000 -}}
{{- end -}}
{{- end -}}
{{- toYaml $ports -}}
{{- end -}}
