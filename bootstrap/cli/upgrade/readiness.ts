/** When the control plane is where a Plan wants it, so that agents may follow. Pure. */
import type { Node } from '../../api/types.gen.ts'

/** What this needs of an upgrade.cattle.io/v1 Plan. */
export interface ControlPlanePlan {
  readonly status?: { readonly applying?: readonly string[] }
}

/**
 * Why agents have to wait, in one line, or undefined when they need not: the plan exists and upgrades no node at the
 * moment, and all control-plane nodes report one version, which is `wanted` or newer (rancher/k3s-upgrade wants it to be equal).
 */
export function waitingFor(
  name: string,
  plan: ControlPlanePlan | undefined,
  controlPlane: readonly Node[],
  wanted: string,
): string | undefined {
  if (!plan) return `Plan ${name} to be created`
  const applying = plan.status?.applying ?? []
  if (applying.length > 0) return `Plan ${name} to upgrade ${[...applying].sort().join(', ')}`
  const versions = [...new Set(controlPlane.map(node => node.status?.nodeInfo?.kubeletVersion ?? ''))].sort()
  const [version] = versions
  if (version === undefined) return 'nodes of the control plane'
  if (versions.length > 1) return `all nodes of the control plane to report one version: ${versions.join(', ')}`
  return isAtLeast(version, wanted) ? undefined : `the control plane to become ${wanted}: it is ${version}`
}

/** Versions as nodes report them ("v1.36.4+skiff1") and as plans do, fit for an image's tag ("v1.36.4-skiff1"). */
export function isAtLeast(version: string, wanted: string): boolean {
  const [have, want] = [parsed(version), parsed(wanted)]
  if (!have || !want) return tag(version) === tag(wanted)
  for (let index = 0; index < have.numbers.length; index++) {
    const difference = have.numbers[index]! - want.numbers[index]!
    if (difference !== 0) return difference > 0
  }
  return have.rest.localeCompare(want.rest, 'en', { numeric: true }) >= 0
}

const tag = (version: string) => version.replaceAll('+', '-')

/** What comes before a release counts as less than the release, so that the last number is 1 for a release. */
function parsed(version: string): { readonly numbers: readonly number[]; readonly rest: string } | undefined {
  const match = /^v?(\d+)\.(\d+)\.(\d+)(?:[-+](.*))?$/.exec(version)
  if (!match) return undefined
  const rest = tag(match[4] ?? '')
  const isRelease = !/^(alpha|beta|rc)/.test(rest)
  return { numbers: [...match.slice(1, 4).map(Number), isRelease ? 1 : 0], rest }
}
