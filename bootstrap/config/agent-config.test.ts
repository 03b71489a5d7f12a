import { expect, test } from '@jest/globals'
import { agentConfig } from './agent-config.ts'
import { agentFlags } from './flags.ts'
import { ConfigError, parseFlags } from './parse.ts'

const machine = { hostname: 'Node-1', primaryAddress: '192.0.2.7' }

function configOf(args: string[], env: { [name: string]: string } = {}, facts: { hasJoined?: boolean } = {}) {
  const values = parseFlags(agentFlags, [], args, env)
  return agentConfig(values, { machine, hasJoined: false, token: values.string('token'), ...facts })
}

test('environment alone is enough to join', () => {
  const config = configOf([], { K3S_URL: 'https://192.0.2.1:6443/', K3S_TOKEN: 'secret' })
  expect(config).toMatchObject({
    serverUrl: 'https://192.0.2.1:6443',
    token: 'secret',
    lbServerPort: 6444,
    disableApiserverLb: false,
    nodeName: 'node-1',
    nodeIps: ['192.0.2.7'],
  })
})

test('flags beat it, and describe the node', () => {
  const args = ['--server', 'https://[fd00::1]:7443', '--node-label=a=b', '--node-taint=k=v:NoSchedule']
  const config = configOf([...args, '--lb-server-port=7444'], { K3S_URL: 'https://x:1', K3S_TOKEN: 't' })
  expect(config.serverUrl).toBe('https://[fd00::1]:7443')
  expect(config.nodeLabels).toEqual(['a=b'])
  expect(config.nodeTaints).toEqual([{ key: 'k', value: 'v', effect: 'NoSchedule' }])
  expect(config.lbServerPort).toBe(7444)
})

test('a node that has joined needs no token', () => {
  expect(configOf(['--server=https://h:1'], {}, { hasJoined: true }).token).toBeUndefined()
})

test.each([
  [['--server=https://h:1'], '--token is required'],
  [['--token=t'], '--server is required'],
  [['--token=t', '--server=http://h:1'], 'only https:// URLs are supported, invalid scheme: http://h:1'],
  [['--token=t', '--server=h:6443'], 'only https:// URLs are supported, invalid scheme: h:6443'],
  [['--token=t', '--server=10.0.0.1'], 'Invalid server url, failed to parse: 10.0.0.1'],
  [['--token=t', '--server=https://h', '--lb-server-port=0'], 'invalid --lb-server-port 0'],
  [['--token=t', '--server=https://h', '--docker'], '--docker is not supported by this version yet'],
])('%j is refused', (args, message) => {
  expect(() => configOf(args)).toThrow(ConfigError)
  expect(() => configOf(args)).toThrow(message)
})

test('an URL without a port means 443', () => {
  expect(configOf(['--token=t', '--server=https://lb.example']).serverUrl).toBe('https://lb.example:443')
})
