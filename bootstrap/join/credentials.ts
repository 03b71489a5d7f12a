/** Asking a server for a node's certificates (k3s-io/k3s pkg/agent/config). Keys stay here: requests carry public ones, and what certificates say is the server's to decide. */
import { keyPem } from '../pki/certificate.ts'
import { certificateRequest } from '../pki/request.ts'
import type { Token } from '../pki/token.ts'
import type { CaName, CertificateName, KeyPair, NodeFiles } from './node-files.ts'
import { AnswerError, type Ask, type ServerAccess, type ServerAnswer } from './server-access.ts'

export interface JoiningNode {
  readonly name: string
  /** Internal addresses, then external ones. */
  readonly addresses: readonly string[]
  readonly password: string
  /** Where the password is, for the user who has to mend it. */
  readonly passwordFile: string
}

export interface Credentials {
  readonly serverCa: string
  readonly clientCa: string
  readonly serving: KeyPair
  readonly kubelet: KeyPair
  readonly proxy: KeyPair
  readonly controller: KeyPair
}

export interface CredentialDeps {
  readonly files: NodeFiles
  readonly log: { info(fields: object, message: string): void }
  /** Waits before a server that is too busy is asked again. Rejects when the node stops. */
  readonly pause: (ms: number) => Promise<void>
  /** Uniform in [0, 1). */
  readonly random: () => number
}

/** Fetches CAs and certificates and writes them to agent/. Rejects, in one line, at the first thing that is not given. */
export async function fetchCredentials(
  access: ServerAccess,
  node: JoiningNode,
  deps: CredentialDeps,
): Promise<Credentials> {
  const ca = async (name: CaName) => {
    const pem = (await asked(access, `/v1-k3s/${name}.crt`, {}, deps)).body.toString()
    await deps.files.write(name, pem)
    return pem
  }
  const [clientCa, serverCa] = await Promise.all([ca('client-ca'), ca('server-ca')])
  const serving = await certificate('serving-kubelet')
  const kubelet = await certificate('client-kubelet')
  const proxy = await certificate('client-kube-proxy')
  const controller = await certificate('client-k3s-controller')
  return { serverCa, clientCa, serving, kubelet, proxy, controller }

  async function certificate(name: CertificateName): Promise<KeyPair> {
    const key = await deps.files.key(name)
    const headers = {
      'Content-Type': 'application/pkcs10',
      'k3s-Node-Name': node.name,
      'k3s-Node-Password': node.password,
      'k3s-Node-IP': node.addresses.join(','),
    }
    const ask: Ask = { method: 'POST', headers, body: certificateRequest(key) }
    const cert = (await asked(access, `/v1-k3s/${name}.crt`, ask, deps, node)).body.toString()
    await deps.files.write(name, cert)
    return { cert, key: keyPem(key) }
  }
}

const busyMs = 250
const busiestMs = 5000

/** One answer of 2xx, asked for again while the server has too much to do. */
export async function asked(
  access: ServerAccess,
  path: string,
  ask: Ask,
  { log, pause, random }: Pick<CredentialDeps, 'log' | 'pause' | 'random'>,
  node?: JoiningNode,
): Promise<ServerAnswer> {
  for (let turn = 0; ; turn++) {
    let answer = await access.ask(path, ask)
    if (answer.status === 401 && access.client) {
      // The Node object is gone, so its certificate counts for nothing: the token does.
      log.info({}, 'Node authorization rejected, retrying without client certificate authentication')
      answer = await access.ask(path, { ...ask, client: null })
      if (answer.status === 403 && isEmpty(access.token)) throw needsToken(`${access.url}${path}`, answer)
    }
    if (answer.status >= 200 && answer.status <= 299) return answer
    if (answer.status !== 429) throw refusal(`${access.url}${path}`, answer, node)
    await pause(Math.min(busiestMs, busyMs * 2 ** Math.min(turn, 5)) * (0.5 + random()))
  }
}

const isEmpty = ({ password, bootstrap }: Token) => password === undefined && bootstrap === undefined

function needsToken(url: string, answer: ServerAnswer): Error {
  const { message } = new AnswerError(url, answer)
  return new Error(
    `${message}: the node's certificate counts for nothing any more; give a token (--token or K3S_TOKEN)`,
  )
}

function refusal(url: string, answer: ServerAnswer, node: JoiningNode | undefined): Error {
  const error = new AnswerError(url, answer)
  if (answer.status !== 403 || !node || !error.message.includes('Node password rejected')) return error
  return new Error(
    `Node password rejected, duplicate hostname or contents of '${node.passwordFile}' may not match server node-passwd entry, try enabling a unique node name with the --with-node-id flag`,
  )
}
