/** Decoded CRI messages with proto3's absent zero values filled in. */
import type { Message } from '../../protobuf/codec.ts'
import type {
  ImageSpec,
  PodSandbox,
  PodSandboxMetadata,
  PodSandboxStatus,
  RuntimeContainer,
  RuntimeContainerStatus,
  RuntimeImage,
} from '../runtime.ts'

const text = (value: unknown): string => (value === undefined ? '' : String(value))
const number = (value: unknown): number => (value === undefined ? 0 : Number(value))
const map = (value: unknown): { [key: string]: string } => (value ?? {}) as { [key: string]: string }

function sandboxMetadata(value: unknown): PodSandboxMetadata {
  const { name, uid, namespace, attempt } = (value ?? {}) as Message
  return { name: text(name), uid: text(uid), namespace: text(namespace), attempt: number(attempt) }
}

function containerMetadata(value: unknown): { name: string; attempt: number } {
  const { name, attempt } = (value ?? {}) as Message
  return { name: text(name), attempt: number(attempt) }
}

function imageSpec(value: unknown): ImageSpec {
  return { image: text(((value ?? {}) as Message).image) }
}

export function asSandbox(message: Message): PodSandbox {
  return {
    id: text(message.id),
    metadata: sandboxMetadata(message.metadata),
    state: (message.state ?? 'SANDBOX_READY') as PodSandbox['state'],
    createdAt: number(message.createdAt),
    labels: map(message.labels),
    annotations: map(message.annotations),
  }
}

export function asSandboxStatus(message: Message): PodSandboxStatus {
  const network = (message.network ?? {}) as { ip?: string; additionalIps?: { ip: string }[] }
  const ips = [network.ip ?? '', ...(network.additionalIps ?? []).map(({ ip }) => ip)].filter(ip => ip !== '')
  return { ...asSandbox(message), ips }
}

export function asContainer(message: Message): RuntimeContainer {
  return {
    id: text(message.id),
    podSandboxId: text(message.podSandboxId),
    metadata: containerMetadata(message.metadata),
    image: imageSpec(message.image),
    imageRef: text(message.imageRef),
    state: (message.state ?? 'CONTAINER_CREATED') as RuntimeContainer['state'],
    createdAt: number(message.createdAt),
    labels: map(message.labels),
    annotations: map(message.annotations),
  }
}

export function asContainerStatus(message: Message): RuntimeContainerStatus {
  return {
    id: text(message.id),
    metadata: containerMetadata(message.metadata),
    state: (message.state ?? 'CONTAINER_CREATED') as RuntimeContainerStatus['state'],
    createdAt: number(message.createdAt),
    startedAt: number(message.startedAt),
    finishedAt: number(message.finishedAt),
    exitCode: number(message.exitCode),
    image: imageSpec(message.image),
    imageRef: text(message.imageRef),
    reason: text(message.reason),
    message: text(message.message),
    labels: map(message.labels),
    annotations: map(message.annotations),
    logPath: text(message.logPath),
    ...(message.stopSignal ? { stopSignal: text(message.stopSignal) } : {}),
  }
}

export function asImage(message: Message): RuntimeImage {
  const uid = message.uid as { value?: number } | undefined
  return {
    id: text(message.id),
    repoTags: (message.repoTags ?? []) as string[],
    repoDigests: (message.repoDigests ?? []) as string[],
    size: number(message.size),
    ...(uid ? { uid: uid.value ?? 0 } : {}),
    username: text(message.username),
    pinned: message.pinned === true,
  }
}
