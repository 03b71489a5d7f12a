/** install.sh where systemd itself runs the service: start, restart, upgrade by a Plan, end. */
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { sourceVersion } from '../../bootstrap/version.ts'
import { upgradeImage } from '../../upgrade/image.ts'
import { Bed, canRunSystemd } from '../testbed/bed.ts'
import { Cluster } from '../testbed/cluster.ts'
import { writeImages } from '../testbed/images.ts'
import { podOn, webContainers } from '../testbed/pods.ts'
import { releaseFile } from '../testbed/release.ts'

jest.setTimeout(600_000)
if (!canRunSystemd) console.warn('skipped: needs root, containerd and systemd')
const suite = canRunSystemd ? describe : describe.skip
const newer = 'v1.36.9+skiff1'

suite('under systemd', () => {
  let bed: Bed
  let cluster: Cluster
  const bin = (name = '') => join(bed.dir, 'bin', name)
  const run = async (...command: string[]) => {
    const { code, stdout, stderr } = await bed.run(command, { timeoutMs: 300_000 })
    expect({ command, code, stderr }).toEqual({ command, code: 0, stderr: expect.anything() })
    return stdout.trim()
  }
  const property = (name: string) => run('systemctl', 'show', '--value', '--property', name, 'k3s')
  const nodeIs = (version: string) =>
    cluster.waitFor(`--for=jsonpath={.status.nodeInfo.kubeletVersion}=${version} node/machine`, 300)
  const webContainer = () => cluster.kubectl('get pod web -o jsonpath={.status.containerStatuses[0].containerID}')

  beforeAll(async () => {
    bed = await Bed.create({ hostname: 'machine', systemd: true })
    cluster = new Cluster(bed, {})
    for (const folder of [bin(), join(bed.dir, 'state/k3s/agent/images')]) mkdirSync(folder, { recursive: true })
    await writeImages(join(bed.dir, 'state/k3s/agent/images'))
    const image = await upgradeImage({ release: await releaseFile(newer), version: newer })
    writeFileSync(join(bed.dir, 'state/k3s/agent/images/upgrade.tar'), image)
    copyFileSync(join(import.meta.dirname, '../../install.sh'), join(bed.dir, 'install.sh'))
    copyFileSync(await releaseFile(), bin('k3s'))
  })
  afterAll(() => bed?.destroy())

  test('the service is up when the script ends, and enabled', async () => {
    const env = { INSTALL_K3S_BIN_DIR: bin(), INSTALL_K3S_SKIP_DOWNLOAD: 'true' }
    const options = { env, timeoutMs: 300_000 }
    const { code, stderr } = await bed.run(['sh', join(bed.dir, 'install.sh'), 'server', '--disable=traefik'], options)
    expect([code, stderr]).toEqual([0, expect.anything()])
    expect(await property('ActiveState')).toBe('active')
    expect(await run('systemctl', 'is-enabled', 'k3s')).toBe('enabled')
    await cluster.waitFor('--for=condition=Ready node/machine', 300)
    await nodeIs(sourceVersion)
  })

  test('pods run, and run on over a restart of the service', async () => {
    await cluster.apply(podOn('machine', 'web', webContainers))
    await cluster.waitFor('--for=condition=Ready pod/web', 300)
    await cluster.kubectl('-n kube-system rollout status deploy/coredns --timeout=300s')
    const container = await webContainer()
    await run('systemctl', 'restart', 'k3s')
    await cluster.waitFor('--for=condition=Ready node/machine', 300)
    await cluster.kubectl('-n kube-system rollout status deploy/coredns --timeout=300s')
    expect(await webContainer()).toBe(container)
  })

  test('a Plan replaces the file, and systemd starts it', async () => {
    const container = await webContainer()
    await cluster.apply(`
apiVersion: upgrade.cattle.io/v1
kind: Plan
metadata: { name: server-plan, namespace: system-upgrade }
spec:
  concurrency: 1
  nodeSelector: { matchExpressions: [{ key: node-role.kubernetes.io/control-plane, operator: Exists }] }
  serviceAccountName: system-upgrade
  cordon: true
  version: ${newer}
  upgrade: { image: rancher/k3s-upgrade }
`)
    await cluster.eventually(() => nodeIs(newer), 300)
    await cluster.eventually(
      () => cluster.waitFor('-n system-upgrade --for=condition=Complete plan/server-plan', 300),
      300,
    )
    expect(await property('NRestarts')).toBe('1')
    expect(await property('ActiveState')).toBe('active')
    expect(await cluster.kubectl('get node machine -o jsonpath={.spec.unschedulable}')).toBe('')
    expect(await webContainer()).toBe(container)
  })

  test('stopping leaves pods running; k3s-killall.sh ends them; uninstalling leaves systemd nothing of it', async () => {
    await run('systemctl', 'stop', 'k3s')
    expect(await property('Result')).toBe('success')
    const httpd = async () => (await bed.run(['pgrep', '-c', 'httpd'])).stdout.trim()
    expect(Number(await httpd())).toBeGreaterThan(0)
    await run(bin('k3s-killall.sh'))
    expect(await httpd()).toBe('0')
    await run(bin('k3s-uninstall.sh'))
    expect(await property('LoadState')).toBe('not-found')
    expect(await run('systemctl', 'list-units', '--all', '--no-legend', 'k3s*')).toBe('')
  })
})
