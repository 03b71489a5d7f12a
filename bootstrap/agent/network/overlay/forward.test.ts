import { expect, test } from '@jest/globals'
import { acceptForwarding } from './forward.ts'

const ours = (way: string) => `-A FORWARD ${way} 10.42.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT\n`

/** The rules that are added where iptables says `rules`; undefined: there is no iptables. */
async function added(rules: string | undefined): Promise<string[]> {
  const changes: string[] = []
  await acceptForwarding(
    async (program, args) => {
      if (rules === undefined) throw new Error('not found')
      if (args.includes('-S')) return rules
      changes.push([program, ...args].join(' '))
      return ''
    },
    ['10.42.0.0/16'],
  )
  return changes
}

test.each([
  ['nobody drops', '-P FORWARD ACCEPT\n'],
  ['it is accepted already', `-P FORWARD DROP\n${ours('-s')}${ours('-d')}-A FORWARD -j DOCKER-USER\n`],
  ['there is no iptables', undefined],
])('nothing is done where %s', async (_, rules) => expect(await added(rules)).toEqual([]))

test("pods are accepted ahead of Docker's rules", async () => {
  expect(await added(`-P FORWARD DROP\n${ours('-s')}-A FORWARD -j DOCKER-USER\n`)).toEqual([
    'iptables -w -I FORWARD -d 10.42.0.0/16 -m comment --comment flanneld forward -j ACCEPT',
  ])
})
