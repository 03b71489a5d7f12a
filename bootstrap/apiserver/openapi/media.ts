/** Media types that operations consume and produce. */
import type { Operation } from './paths.ts'

const json = 'application/json'
const yaml = 'application/yaml'
const protobuf = 'application/vnd.kubernetes.protobuf'
const strategic = 'application/strategic-merge-patch+json'

export const patchTypes = ({ custom }: Operation): string[] => [
  'application/apply-patch+yaml',
  'application/json-patch+json',
  'application/merge-patch+json',
  ...(custom ? [] : [strategic]),
]

export function responseTypes({ action, response, custom }: Operation): string[] {
  if (response === undefined) return action === 'connect' ? ['*/*'] : [json, yaml, protobuf, 'text/plain']
  const plain = custom ? [json, yaml] : [json, yaml, protobuf]
  const streams = custom ? [json] : [json, protobuf]
  return action === 'list' ? [...plain, ...streams.map(type => `${type};stream=watch`)] : plain
}

export const responseText = (code: number): string =>
  ({ 201: 'Created', 202: 'Accepted', 401: 'Unauthorized' })[code] ?? 'OK'
