import { describe, expect, test } from '@jest/globals'
import { hostExec } from './exec.ts'

/** More than a pipe holds. */
const much = 'x'.repeat(1 << 20)

describe('hostExec', () => {
  test('hands input over and output back', async () => {
    expect(await hostExec('wc', ['-c'], much)).toBe(`${much.length}\n`)
  })

  test('a program that ends without reading its input counts by its exit status', async () => {
    expect(await hostExec('sh', ['-c', 'exec 0<&-; echo done'], much)).toBe('done\n')
    await expect(hostExec('sh', ['-c', 'exec 0<&-; echo no >&2; exit 1'], much)).rejects.toThrow('sh -c')
  })
})
