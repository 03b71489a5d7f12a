{{ define "failures.deep" }}{{ include "failures.deeper" . }}{{ end }}
{{ define "failures.deeper" }}{{ required "name is required" .Values.nope }}{{ end }}
{{ define "failures.loop" }}{{ include "failures.loop" . }}{{ end }}
{{ define "failures.nil" }}{{ .Values.nope.deeper }}{{ end }}
{{ define "failures.nilcaller" }}
  {{ include "failures.nil" . }}
{{ end }}
