/** `.Capabilities` as templates see it. */
import { goFunction } from '../template/functions.ts'
import { GoStruct, typed, types } from '../template/values.ts'
import type { Capabilities } from './rendered.ts'

/** Helm's version that this engine is compatible with. */
export const helmVersion = 'v4.1.4'

/** A Kubernetes version in its parts; what follows the numbers is no part of `plain`, which ranges are checked against. */
export interface KubeVersion {
  readonly full: string
  readonly plain: string
  readonly major: string
  readonly minor: string
}

/** Reads "v1.36.3+skiff1". Throws Error when there are no numbers in it. */
export function parseKubeVersion(text: string): KubeVersion {
  const match = /^\s*v?(\d+)\.(\d+)((?:\.\d+)*)/.exec(text)
  if (!match) throw new Error(`could not parse ${JSON.stringify(text)} as version`)
  const [, major, minor, rest] = match as unknown as [string, string, string, string]
  const full = text.startsWith('v') ? text : `v${text}`
  return {
    full,
    plain: `v${Number(major)}.${Number(minor)}${rest}`,
    major: `${Number(major)}`,
    minor: `${Number(minor)}`,
  }
}

export function capabilitiesValue({ kubeVersion, apiVersions }: Capabilities): GoStruct {
  const version = parseKubeVersion(kubeVersion)
  const text = () => version.plain
  return new GoStruct('*common.Capabilities', {
    KubeVersion: new GoStruct(
      'common.KubeVersion',
      { Version: version.full, Major: version.major, Minor: version.minor },
      {
        text,
        methods: { GitVersion: goFunction('-> string', () => version.full), String: goFunction('-> string', text) },
      },
    ),
    APIVersions: typed(
      [...apiVersions],
      { name: 'common.VersionSet', kind: 'slice', element: types.string },
      { methods: { Has: goFunction('string -> bool', (name: string) => apiVersions.includes(name)) } },
    ),
    HelmVersion: new GoStruct('version.BuildInfo', {
      Version: helmVersion,
      GitCommit: '',
      GitTreeState: '',
      GoVersion: 'go1.26',
      KubeClientVersion: 'v1.35',
    }),
  })
}
