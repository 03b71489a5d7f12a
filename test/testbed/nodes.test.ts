/** Several machines on one network: what they see of each other, and that nothing of them is left. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { Bed, canRunClusters, tracesOf } from './bed.ts'
import { Network } from './network.ts'

const suite = canRunClusters ? describe : describe.skip
if (!canRunClusters) console.log('several machines: skipped, needs root and containerd')

/** Programs whose command line has this in it. */
function running(text: string): number {
  const lines = readdirSync('/proc')
    .filter(pid => /^\d+$/.test(pid))
    .map(pid => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      } catch {
        return ''
      }
    })
  return lines.filter(line => line.includes(text)).length
}

suite('several machines on one network', () => {
  let network: Network
  let beds: Bed[]

  beforeAll(async () => {
    network = await Network.create()
    beds = await Promise.all(
      [11, 12, 13].map(host => Bed.create({ network: { network, host }, hostname: `host-${host}` })),
    )
  }, 60_000)
  afterAll(async () => {
    await Promise.all(beds.map(bed => bed.destroy()))
    await network.destroy()
    for (const bed of beds) expect(tracesOf(bed.name)).toEqual([])
  }, 60_000)

  const reaches = async (from: Bed, address: string) =>
    (await from.run(['ping', '-c', '1', '-W', '1', address])).code === 0

  test('each has its name and addresses, sees the others and the machine outside', async () => {
    const [first, second] = beds as [Bed, Bed]
    expect(beds.map(bed => bed.address)).toEqual(['198.51.100.11', '198.51.100.12', '198.51.100.13'])
    expect((await second.run(['hostname'])).stdout).toBe('host-12\n')
    expect((await second.run(['hostname', '-I'])).stdout.trim()).toBe('198.51.100.12 2001:db8:100::12')
    for (const address of ['198.51.100.12', '2001:db8:100::13', '198.51.100.1'])
      expect(await reaches(first, address)).toBe(true)
    expect((await first.runOutside(['ping', '-c', '1', '-W', '1', '198.51.100.13'])).code).toBe(0)
    expect((await network.run(['ip', '-o', '-4', 'addr', 'show', 'bridge'])).stdout).toContain('198.51.100.1/24')
  })

  test('what a machine writes stays its own, over a loss of power', async () => {
    const [first, second] = beds as [Bed, Bed]
    await second.run(['sh', '-c', 'echo mine >/etc/rancher/file; sleep infinity >/dev/null 2>&1 & echo $! >/run/pid'])
    expect((await first.run(['cat', '/etc/rancher/file'])).code).toBe(1)
    await second.powerOff()
    expect(await reaches(first, second.address)).toBe(false)
    await second.powerOn()
    expect((await second.run(['cat', '/etc/rancher/file'])).stdout).toBe('mine\n')
    expect((await second.run(['cat', '/run/pid'])).code).toBe(1)
    expect(await reaches(first, second.address)).toBe(true)
  }, 30_000)

  test('when their maker is killed, all ends, and the next one clears what is left on the disk', async () => {
    const script = `
      import { Bed } from './bed.ts'
      import { Network } from './network.ts'
      const network = await Network.create()
      network.spawn(['sleep', '987654'])
      const bed = await Bed.create({ network: { network, host: 11 } })
      bed.spawn(['sleep', '987654'])
      console.log(bed.name)`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      cwd: import.meta.dirname,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [line] = await once(child.stdout!, 'data')
    const name = String(line).trim()
    while (running('\u0000987654') < 2) await new Promise(resolve => setTimeout(resolve, 10))
    child.kill('SIGKILL')
    await once(child, 'exit')
    while (running('\u0000987654') > 0) await new Promise(resolve => setTimeout(resolve, 10))
    const bed = await Bed.create()
    await bed.destroy()
    expect(tracesOf(name)).toEqual([])
    expect(readdirSync(tmpdir()).filter(entry => join(tmpdir(), entry).includes(name))).toEqual([])
  }, 60_000)
})
