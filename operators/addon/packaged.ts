/** What to tell somebody who edits a packaged manifest: the next start would overwrite it, so it is not applied at all. */
import { basename } from 'node:path'

/** Supported ways to change a component, by the Addon's name. */
const ways: { readonly [addon: string]: string } = {
  coredns: 'use the ConfigMap kube-system/coredns-custom with keys *.server and *.override',
  traefik: 'use a HelmChartConfig kube-system/traefik',
  'local-storage': 'edit the ConfigMap kube-system/local-path-config with kubectl',
}

/** One line: what is wrong, and what would be right. */
export function editRefused(path: string, addon: string): string {
  const name = basename(path)
  const stem = name.replace(/\.[^.]*$/, '')
  const own = `to replace it, put a file ${name}.skip beside it or start with --disable ${stem}, and add your own under another name`
  const way = ways[addon]
  return `"${path}" is a packaged manifest and was edited; the edit is not applied: ${way === undefined ? '' : `${way}; `}${own}`
}
