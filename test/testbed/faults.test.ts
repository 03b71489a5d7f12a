/** The fault tools do to machines what they say, and undo it. */
import { once } from 'node:events'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { Bed, canRunClusters } from './bed.ts'
import { hasDatabase, startDatabase } from './databases.ts'
import { Disk } from './disk.ts'
import { Links } from './links.ts'
import { Network } from './network.ts'
import { canSkewClocks, setSkew, skewed } from './skew.ts'

const suite = canRunClusters ? describe : describe.skip
if (!canRunClusters) console.log('fault tools: skipped, needs root and containerd')

suite('faults', () => {
  let network: Network
  let beds: [Bed, Bed, Bed]
  let links: Links

  beforeAll(async () => {
    network = await Network.create()
    const made = [11, 12, 13].map(host => Bed.create({ network: { network, host } }))
    beds = (await Promise.all(made)) as [Bed, Bed, Bed]
    links = new Links(network)
  }, 60_000)
  afterEach(() => links.heal())
  afterAll(async () => {
    await Promise.all(beds.map(bed => bed.destroy()))
    await network.destroy()
  }, 60_000)

  const reaches = async (from: Bed, address: string, count = 1) =>
    (await from.run(['ping', '-c', String(count), '-i', '0.01', '-W', '0.3', address])).code === 0

  /** Who reaches whom by IPv4: "12" for the first the second, 0 is the machine outside. */
  const ways = async () => {
    const found = beds.flatMap((from, index) => [
      ...beds
        .filter(to => to !== from)
        .map(async to => (await reaches(from, to.address)) && `${index + 1}${beds.indexOf(to) + 1}`),
      (async () => (await reaches(from, '198.51.100.1')) && `${index + 1}0`)(),
    ])
    return (await Promise.all(found)).filter(way => way !== false).sort()
  }
  const all = ['10', '12', '13', '20', '21', '23', '30', '31', '32']

  test('cuts between a pair, of one machine, between groups; and heals', async () => {
    expect(await ways()).toEqual(all)
    await links.cut(beds[0], beds[1])
    expect(await ways()).toEqual(all.filter(way => !['12', '21'].includes(way)))
    expect(await reaches(beds[0], '2001:db8:100::12')).toBe(false)
    await links.cut(beds[2], 'outside')
    expect(await ways()).toEqual(all.filter(way => !['12', '21', '30'].includes(way)))
    await links.heal()
    expect(await ways()).toEqual(all)
    await links.isolate(beds[0])
    expect(await ways()).toEqual(['20', '23', '30', '32'])
    await links.heal()
    await links.partition([beds[0], 'outside'], [beds[1], beds[2]])
    expect(await ways()).toEqual(['10', '23', '32'])
  }, 30_000)

  test('cuts one direction only', async () => {
    const listener = beds[1].spawn([
      'node',
      '-e',
      `
      require('node:dgram').createSocket('udp4').on('message', text => console.log(String(text))).bind(9, () => console.log('ready'))`,
    ])
    const heard: string[] = []
    listener.stdout!.on('data', data => heard.push(...String(data).trim().split('\n')))
    await once(listener.stdout!, 'data')
    const say = (from: Bed, text: string) => from.run(['bash', '-c', `echo ${text} >/dev/udp/198.51.100.12/9`])
    await links.cut(beds[1], beds[0], { oneWay: true })
    await say(beds[0], 'there') // the way back is cut, this one is not
    await links.heal()
    await links.cut(beds[0], beds[1], { oneWay: true })
    await say(beds[0], 'lost')
    await links.heal()
    await say(beds[0], 'again')
    while (!heard.includes('again')) await new Promise(resolve => setTimeout(resolve, 10))
    listener.kill('SIGKILL')
    expect(heard).toEqual(['ready', 'there', 'again'])
  })

  test('loses a share', async () => {
    await links.lose(beds[0], beds[1], 50)
    const { stdout } = await beds[0].run(['ping', '-c', '60', '-i', '0.005', '-W', '0.3', beds[1].address])
    const lost = Number(/([\d.]+)% packet loss/.exec(stdout)?.[1])
    expect(lost).toBeGreaterThan(30) // 75 % in the mean: both directions
    expect(lost).toBeLessThan(100)
  })

  test('a thin line holds up what comes, without harm to the others', async () => {
    await links.thin(beds[1], 64)
    const slowest = async (to: Bed) => {
      const four = `for n in 1 2 3 4; do ping -c 1 -s 1400 -W 2 ${to.address} & done; wait`
      const { stdout } = await beds[0].run(['bash', '-c', four])
      return Math.max(...[...stdout.matchAll(/time=([\d.]+)/g)].map(match => Number(match[1])))
    }
    expect(await slowest(beds[1])).toBeGreaterThan(100)
    expect(await slowest(beds[2])).toBeLessThan(100)
  })

  test('a disk that is full, and has room again', async () => {
    const disk = await Disk.create(beds[0], `${beds[0].dir}/data/small`, 16)
    const write = () => beds[0].run(['sh', '-c', `head -c 100000 /dev/zero >${beds[0].dir}/data/small/file`])
    expect((await write()).code).toBe(0)
    await beds[0].run(['rm', `${beds[0].dir}/data/small/file`])
    await disk.fill()
    expect((await write()).stderr).toContain('No space left')
    await disk.empty()
    expect((await write()).code).toBe(0)
  })

  test('a disk that stands still, and goes on', async () => {
    const folder = `${beds[1].dir}/data/slow`
    const disk = await Disk.create(beds[1], folder, 16)
    await disk.stall()
    let done = false
    const write = beds[1].run(['sh', '-c', `echo text >${folder}/file`]).then(() => (done = true))
    await new Promise(resolve => setTimeout(resolve, 300))
    expect(done).toBe(false)
    await disk.resume()
    await write
    expect((await beds[1].run(['cat', `${folder}/file`])).stdout).toBe('text\n')
  })

  const databases = hasDatabase.etcd ? test : test.skip
  databases(
    'a database that is killed, or held up',
    async () => {
      const database = await startDatabase('etcd', network)
      const ask = () => beds[0].run(['curl', '-sm', '1', `${database.endpoint}/health`])
      try {
        expect((await ask()).stdout).toContain('"health":"true"')
        database.pause()
        expect((await ask()).code).toBe(28) // no answer
        database.resume()
        expect((await ask()).stdout).toContain('"health":"true"')
        await database.kill()
        expect((await ask()).code).toBe(7) // refused
        await database.start()
        await untilHealthy(ask)
      } finally {
        await database.destroy()
      }
    },
    30_000,
  )

  const clocks = canSkewClocks ? test : test.skip
  if (!canSkewClocks) console.log("wrong clocks: skipped, Debian's libfaketime is not installed")
  clocks(
    'a clock that is wrong, for one program',
    async () => {
      const script =
        'process.stdin.on("data", () => console.log(Date.now() - Number(process.hrtime.bigint() / 1000000n)))'
      const apart = (env: NodeJS.ProcessEnv) => beds[0].spawn([process.execPath, '-e', script], { env })
      const [right, wrong] = [apart({}), apart(skewed(beds[0]))]
      const ask = async (child: typeof right) => {
        child.stdin!.write('?')
        return Number(String((await once(child.stdout!, 'data'))[0]))
      }
      // To ten seconds: a busy machine answers late.
      const ahead = async () => Math.round(((await ask(wrong)) - (await ask(right))) / 10_000) * 10 || 0
      expect(await ahead()).toBe(0)
      setSkew(beds[0], 7200)
      await eventually(async () => expect(await ahead()).toBe(7200))
      setSkew(beds[0], -90)
      await eventually(async () => expect(await ahead()).toBe(-90))
      for (const child of [right, wrong]) child.kill('SIGKILL')
    },
    30_000,
  )

  async function untilHealthy(ask: () => Promise<{ stdout: string }>): Promise<void> {
    await eventually(async () => expect((await ask()).stdout).toContain('"health":"true"'))
  }

  async function eventually(attempt: () => Promise<void>): Promise<void> {
    const until = performance.now() + 10_000
    for (;;)
      try {
        return await attempt()
      } catch (error) {
        if (performance.now() > until) throw error
        await new Promise(resolve => setTimeout(resolve, 100))
      }
  }
})
