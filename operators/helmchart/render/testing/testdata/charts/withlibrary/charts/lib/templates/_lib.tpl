{{ define "lib.thing" }}kind: ConfigMap
name: {{ .Chart.Name }}
{{ end }}