/** Gives every pod a service account, its pull secrets and its token volume (upstream: plugin/pkg/admission/serviceaccount). */
import { randomInt } from 'node:crypto'
import type { Draft } from '../../api/object.ts'
import type { Container, Pod, ServiceAccount } from '../../api/types.gen.ts'
import { mountedTokenSeconds } from '../auth/tokens.ts'
import { isMirror, newPod, quote, refuse } from './common.ts'
import type { AdmissionDeps, AdmissionPlugin, AdmissionRequest } from './plugin.ts'

const mountPath = '/var/run/secrets/kubernetes.io/serviceaccount'
const volumePrefix = 'kube-api-access-'
const defaultName = 'default'
/** A new namespace's default account is a moment behind it. */
const attempts = 20
const attemptMs = 50

type PodDraft = Draft<Pod>
type ContainerDraft = Draft<Container>

export interface ServiceAccountDeps extends AdmissionDeps {
  /** Resolves after so many milliseconds. */
  readonly wait: (ms: number) => Promise<unknown>
}

export function serviceAccount({ reader, wait }: ServiceAccountDeps): AdmissionPlugin {
  async function accountOf(request: AdmissionRequest, name: string): Promise<ServiceAccount> {
    for (let attempt = 1; ; attempt++) {
      const found = reader.get('', 'serviceaccounts', request.namespace, name)
      if (found) return found as unknown as ServiceAccount
      if (name !== defaultName || attempt === attempts) {
        const problem = `serviceaccount ${quote(name)} not found`
        throw refuse(request, `error looking up service account ${request.namespace}/${name}: ${problem}`)
      }
      await wait(attemptMs)
    }
  }

  return {
    name: 'ServiceAccount',
    async mutate(request) {
      const pod = newPod(request)
      if (!pod || isMirror(pod)) return
      pod.spec.serviceAccountName ||= defaultName
      pod.spec.serviceAccount = pod.spec.serviceAccountName
      const account = await accountOf(request, pod.spec.serviceAccountName)
      if (pod.spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true) mountToken(pod)
      if (!pod.spec.imagePullSecrets?.length && account.imagePullSecrets?.length) {
        pod.spec.imagePullSecrets = structuredClone(account.imagePullSecrets) as PodDraft['spec']['imagePullSecrets']
      }
    },
    async validate(request) {
      const pod = newPod(request)
      if (!pod) return
      if (isMirror(pod)) checkMirror(request, pod)
      else await accountOf(request, pod.spec.serviceAccountName ?? '')
    },
  }
}

function checkMirror(request: AdmissionRequest, pod: PodDraft): void {
  if (pod.spec.serviceAccountName) throw refuse(request, 'a mirror pod may not reference service accounts')
  const containers = [...(pod.spec.initContainers ?? []), ...pod.spec.containers]
  const fromEnv = containers.some(
    container =>
      container.envFrom?.some(source => source.secretRef) || container.env?.some(one => one.valueFrom?.secretKeyRef),
  )
  const volumes = pod.spec.volumes ?? []
  if (fromEnv || volumes.some(volume => volume.secret || volume.projected?.sources?.some(source => source.secret))) {
    throw refuse(request, 'a mirror pod may not reference secrets')
  }
  if (volumes.some(volume => volume.projected?.sources?.some(source => source.serviceAccountToken))) {
    throw refuse(request, 'a mirror pod may not use ServiceAccountToken volume projections')
  }
}

function mountToken(pod: PodDraft): void {
  const existing = pod.spec.volumes?.find(volume => volume.projected && volume.name.startsWith(volumePrefix))
  const name = existing?.name ?? `${volumePrefix}${suffix()}`
  let needed = false
  for (const container of [...(pod.spec.initContainers ?? []), ...pod.spec.containers] as ContainerDraft[]) {
    if (container.volumeMounts?.some(mount => mount.mountPath === mountPath)) continue
    container.volumeMounts = [...(container.volumeMounts ?? []), { mountPath, name, readOnly: true }]
    needed = true
  }
  if (needed && !existing) pod.spec.volumes = [...(pod.spec.volumes ?? []), tokenVolume(name)]
}

function tokenVolume(name: string): NonNullable<PodDraft['spec']['volumes']>[number] {
  const fieldRef = { apiVersion: 'v1', fieldPath: 'metadata.namespace' }
  return {
    name,
    projected: {
      defaultMode: 0o644,
      sources: [
        { serviceAccountToken: { expirationSeconds: mountedTokenSeconds, path: 'token' } },
        { configMap: { items: [{ key: 'ca.crt', path: 'ca.crt' }], name: 'kube-root-ca.crt' } },
        { downwardAPI: { items: [{ fieldRef, path: 'namespace' }] } },
      ],
    },
  }
}

const alphabet = 'bcdfghjklmnpqrstvwxz2456789'
const suffixLength = 5

function suffix(): string {
  let text = ''
  for (let rest = randomInt(alphabet.length ** suffixLength); text.length < suffixLength; ) {
    text += alphabet[rest % alphabet.length]
    rest = Math.floor(rest / alphabet.length)
  }
  return text
}
