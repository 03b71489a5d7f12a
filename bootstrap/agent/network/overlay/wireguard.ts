/**
 * The wireguard-native backend (flannel-io/flannel pkg/backend/wireguard): a device per family, a peer per other node. The
 * kernel's own WireGuard where there is one, else the program wireguard-go, which runs on as pods do.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Family } from '../../../api/cidr.ts'
import { ConfigError } from '../../../config/parse.ts'
import { type Device, deviceNamed, removeDevices } from '../devices.ts'
import type { Backend, BackendDeps, Peer, Side } from './backend.ts'

const devices = {
  IPv4: { name: 'flannel-wg', port: 51820 },
  IPv6: { name: 'flannel-wg-v6', port: 51821 },
} as const

const overhead = 80
/** K3s' setting. */
const keepaliveSeconds = 25

/** As flannel writes it. */
interface WireguardData {
  readonly PublicKey: string
  readonly Port: number
}

export function wireguard({ exec, log, runDir }: BackendDeps): Backend {
  let keys: Keys | undefined
  const ownKeys = () => (keys ??= readKeys(join(runDir, 'wgkey')))
  /** The configuration that the kernel has, once that is known. */
  const known = new Map<Family, string>()

  const make = async (name: string) => {
    try {
      await exec('ip', ['link', 'add', name, 'type', 'wireguard'])
    } catch {
      await exec('wireguard-go', [name])
      log.info({ device: name }, 'this kernel has no WireGuard: wireguard-go stands in for it')
    }
  }

  return {
    name: 'wireguard-native',
    type: 'wireguard',
    overhead: () => overhead,
    device: family => devices[family].name,
    check: () => requirePrograms(exec),
    async open(side) {
      const { name, port } = devices[side.family]
      const { publicKey } = ownKeys()
      const there = await deviceNamed(exec, name)
      const current = there && (await exec('wg', ['show', name, 'public-key']).catch(() => ''))
      // One without a key has been made and not yet set up.
      const fits = current?.trim() === publicKey || current?.trim() === '(none)'
      if (!fits) {
        known.delete(side.family)
        await removeDevices(exec, [name])
        await make(name)
      }
      await exec('ip', ['-batch', '-'], deviceScript(name, side, fits ? there : undefined))
      return { PublicKey: publicKey, Port: port } satisfies WireguardData
    },
    async reach(side, peers) {
      const { name, port } = devices[side.family]
      const text = configuration(ownKeys().privateKey, port, peers)
      if (known.get(side.family) === text) return
      known.delete(side.family)
      // It applies the differences: sessions with other peers go on. It opens its input by name, which only a pipe allows.
      await exec('sh', ['-c', 'cat | wg syncconf "$0" /dev/stdin', name], text)
      known.set(side.family, text)
    },
    doubt: () => known.clear(),
    async remove({ family }) {
      known.delete(family)
      await removeDevices(exec, [devices[family].name])
    },
  }
}

async function requirePrograms(exec: BackendDeps['exec']): Promise<void> {
  const flag = '--flannel-backend=wireguard-native'
  await exec('wg', ['--version']).catch(() => {
    throw new ConfigError(`${flag} needs the program wg: install wireguard-tools`)
  })
  const trial = 'flannel-wg-try'
  const inKernel = exec('ip', ['link', 'add', trial, 'type', 'wireguard']).then(() =>
    exec('ip', ['link', 'del', trial]),
  )
  const program = () => exec('wireguard-go', ['--version'])
  await inKernel.catch(program).catch(() => {
    throw new ConfigError(
      `${flag}: this kernel has no WireGuard: load its module, or install wireguard-go in its place`,
    )
  })
}

function deviceScript(name: string, side: Side, there: Device | undefined): string {
  const bits = side.family === 'IPv4' ? 32 : 128
  const [subnet] = side.subnet.split('/')
  const wrong = (there?.addresses ?? []).filter(({ family, local }) => family === side.family && local !== subnet)
  const lines = [
    ...wrong.map(({ local, bits }) => `addr del ${local}/${bits} dev ${name}`),
    `link set ${name} mtu ${side.mtu - overhead} up`,
    `addr replace ${subnet}/${bits} dev ${name}`,
    `route replace ${side.cluster} dev ${name} scope link`,
  ]
  return `${lines.join('\n')}\n`
}

/** For `wg syncconf`. Peers that say nothing usable are left out. */
export function configuration(privateKey: string, port: number, peers: readonly Peer[]): string {
  const own = `[Interface]\nPrivateKey = ${privateKey}\nListenPort = ${port}\n`
  const others = [...peers]
    .sort((a, b) => (a.subnet < b.subnet ? -1 : 1))
    .flatMap(({ data, family, publicIp, subnet }) => {
      const { PublicKey, Port } = (data ?? {}) as Partial<WireguardData>
      if (typeof PublicKey !== 'string' || !/^[A-Za-z0-9+/]{43}=$/.test(PublicKey)) return []
      const host = publicIp.includes(':') ? `[${publicIp}]` : publicIp
      const endpoint = `${host}:${typeof Port === 'number' && Port > 0 ? Port : devices[family].port}`
      return [
        `[Peer]\nPublicKey = ${PublicKey}\nAllowedIPs = ${subnet}\nEndpoint = ${endpoint}\nPersistentKeepalive = ${keepaliveSeconds}\n`,
      ]
    })
  return [own, ...others].join('\n')
}

/** As base64, which is how WireGuard's tools have them. */
interface Keys {
  readonly privateKey: string
  readonly publicKey: string
}

/** Those of the file; new ones, which are kept there, when there is none. */
function readKeys(file: string): Keys {
  const text = readOr(file)
  if (text === undefined) {
    const pair = generateKeyPairSync('x25519')
    const privateKey = rawKey(pair.privateKey, 'd')
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, privateKey, { mode: 0o400 })
    chmodSync(file, 0o400)
    return { privateKey, publicKey: rawKey(pair.publicKey, 'x') }
  }
  const privateKey = text.trim()
  try {
    // PKCS #8 around the 32 bytes (RFC 8410).
    const der = Buffer.concat([
      Buffer.from('302e020100300506032b656e04220420', 'hex'),
      Buffer.from(privateKey, 'base64'),
    ])
    const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
    return { privateKey, publicKey: rawKey(createPublicKey(key), 'x') }
  } catch {
    throw new Error(`${file} is no WireGuard key: want 32 bytes in base64, or no file for a new one`)
  }
}

const rawKey = (key: KeyObject, part: 'd' | 'x'): string =>
  Buffer.from(key.export({ format: 'jwk' })[part]!, 'base64url').toString('base64')

function readOr(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
