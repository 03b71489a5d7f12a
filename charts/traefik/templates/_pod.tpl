{{- define "traefik.pod" -}}
{{- $ports := include "traefik.ports" . | fromYaml -}}
metadata:
  {{- $annotations := .Values.deployment.podAnnotations }}
  {{- if and .Values.metrics .Values.metrics.prometheus }}
  {{- $port := (index $ports .Values.metrics.prometheus.entryPoint).port | toString }}
  {{- $annotations = merge (dict "prometheus.io/scrape" "true" "prometheus.io/path" "/metrics" "prometheus.io/port" $port) $annotations }}
  {{- end }}
  {{- with $annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  labels:
    {{- include "traefik.labels" . | nindent 4 }}
    {{- with .Values.deployment.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "traefik.account" . }}
  automountServiceAccountToken: true
  terminationGracePeriodSeconds: {{ default 60 .Values.deployment.terminationGracePeriodSeconds }}
  hostNetwork: {{ .Values.hostNetwork }}
  {{- if include "traefik.embedded" . }}
  runtimeClassName: embedded
  {{- else if .Values.deployment.runtimeClassName }}
  runtimeClassName: {{ .Values.deployment.runtimeClassName }}
  {{- end }}
  {{- with .Values.deployment.dnsPolicy }}
  dnsPolicy: {{ . }}
  {{- end }}
  {{- with .Values.deployment.hostAliases }}
  hostAliases:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.deployment.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.deployment.initContainers }}
  initContainers:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- tpl (toYaml .) $ | nindent 4 }}
  {{- end }}
  {{- with .Values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- tpl (toYaml .) $ | nindent 4 }}
  {{- end }}
  {{- with .Values.podSecurityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: {{ include "traefik.fullname" . }}
      image: {{ include "traefik.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      {{- with .Values.resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      startupProbe:
        {{- with .Values.startupProbe }}
        {{- toYaml . | nindent 8 }}
        {{- else }}
        httpGet:
          path: /ping
          port: {{ $ports.traefik.port }}
          scheme: HTTP
        periodSeconds: 1
        timeoutSeconds: 2
        failureThreshold: 120
        {{- end }}
      readinessProbe:
        httpGet:
          path: /ping
          port: {{ $ports.traefik.port }}
          scheme: HTTP
        {{- toYaml .Values.readinessProbe | nindent 8 }}
      livenessProbe:
        httpGet:
          path: /ping
          port: {{ $ports.traefik.port }}
          scheme: HTTP
        {{- toYaml .Values.livenessProbe | nindent 8 }}
      {{- with .Values.deployment.lifecycle }}
      lifecycle:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        {{- range $name, $config := $ports }}
        {{- if $config }}
        - name: {{ $name | lower }}
          containerPort: {{ default $config.port $config.containerPort }}
          {{- with $config.hostPort }}
          hostPort: {{ . }}
          {{- end }}
          {{- with $config.hostIP }}
          hostIP: {{ . }}
          {{- end }}
          protocol: {{ default "TCP" $config.protocol }}
        {{- end }}
        {{- end }}
      {{- with .Values.securityContext }}
      securityContext:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      args:
        {{- include "traefik.arguments" . | trim | nindent 8 }}
      env:
        - name: POD_NAME
          valueFrom:
            fieldRef:
              fieldPath: metadata.name
        - name: POD_NAMESPACE
          valueFrom:
            fieldRef:
              fieldPath: metadata.namespace
        {{- with .Values.env }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with .Values.envFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      volumeMounts:
        - name: data
          mountPath: /data
        - name: tmp
          mountPath: /tmp
        {{- range .Values.volumes }}
        - name: {{ tpl .name $ | replace "." "-" }}
          mountPath: {{ .mountPath }}
          readOnly: true
        {{- end }}
        {{- with .Values.additionalVolumeMounts }}
        {{- tpl (toYaml .) $ | nindent 8 }}
        {{- end }}
    {{- with .Values.deployment.additionalContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    - name: data
      emptyDir: {}
    - name: tmp
      emptyDir: {}
    {{- range .Values.volumes }}
    - name: {{ tpl .name $ | replace "." "-" }}
      {{- if eq .type "secret" }}
      secret:
        secretName: {{ tpl .name $ }}
      {{- else if eq .type "configMap" }}
      configMap:
        name: {{ tpl .name $ }}
      {{- end }}
    {{- end }}
    {{- with .Values.deployment.additionalVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}
