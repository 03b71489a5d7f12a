/** The built-in helper: what K3s' setup and teardown scripts do, on the node the pod runs on. */
import { execFile } from 'node:child_process'
import { chmod, chown, mkdir, readFile, rm } from 'node:fs/promises'
import { dirname, isAbsolute, normalize } from 'node:path'
import { promisify } from 'node:util'
import type { EmbeddedModule } from '../../bootstrap/agent/embedded/module.ts'
import { limitSize } from './quota.ts'

const run = promisify(execFile)

export const localPathHelperModule: EmbeddedModule = {
  async run({ args, env, hostPath, stdout }) {
    const value = (flag: string) => args[args.indexOf(flag) + 1] ?? ''
    const inside = value('-p')
    if (!isAbsolute(inside) || normalize(inside) !== inside || dirname(inside) === '/')
      throw new Error(`will not touch "${inside}": want the absolute path of a folder below another`)
    const path = hostPath(inside)
    if (value('-a') === 'delete') {
      await rm(path, { recursive: true, force: true, maxRetries: 3 })
      stdout(`removed ${inside}\n`)
      return 0
    }
    await mkdir(path, { recursive: true })
    // The mode of mkdir is subject to the umask.
    await chmod(path, modeOf(env.VOL_PERM ?? ''))
    await chmod(dirname(path), 0o700)
    await own(path, env.VOL_USER ?? '', env.VOL_GROUP ?? '')
    const mounts = await readFile('/proc/self/mounts', 'utf8')
    const limited = await limitSize(path, Number(value('-s')), mounts, (program, list) => run(program, list))
    stdout(`made ${inside}${limited ? `, limited to ${value('-s')} bytes` : ''}\n`)
    return 0
  },
}

function modeOf(text: string): number {
  if (text === '') return 0o777
  if (!/^[0-7]{3,4}$/.test(text)) throw new Error(`"${text}" is no mode: want octal digits such as 0750`)
  return Number.parseInt(text, 8)
}

async function own(path: string, user: string, group: string): Promise<void> {
  if (user === '' && group === '') return
  const number = (text: string, what: string) => {
    if (text === '') return -1
    if (!/^\d+$/.test(text)) throw new Error(`"${text}" is no number of a ${what}`)
    return Number(text)
  }
  await chown(path, number(user, 'user'), number(group, 'group'))
}
