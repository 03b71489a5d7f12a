/** Manifests of the plainest pods that tests put on a node of their choice. */
import { busyboxImage, webImage } from './images.ts'

/** Containers that answer HTTP on port 80. */
export const webContainers = `containers: [{ name: web, image: '${webImage}', readinessProbe: { httpGet: { port: 80 }, periodSeconds: 1 } }]`
/** A container with a shell that does nothing. */
export const sleepContainers = `containers: [{ name: main, image: '${busyboxImage}', command: [sleep, infinity] }]`

/** A document of its own, labelled `app: NAME`; `spec` is what else its spec has, in flow style. */
export const podOn = (node: string, name: string, spec: string) => `
---
apiVersion: v1
kind: Pod
metadata: { name: ${name}, labels: { app: ${name} } }
spec:
  nodeName: ${node}
  terminationGracePeriodSeconds: 0
  ${spec}
`
