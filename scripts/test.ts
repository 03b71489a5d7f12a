/**
 * Runs every test and ends with one line that totals all suites. Unit and integration tests run side by side; those with
 * real containers and network namespaces one after the other. Usage: node scripts/test.ts [--unit|--e2e]
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

interface Totals {
  passed: number
  failed: number
  skipped: number
}

const root = join(import.meta.dirname, '..')
const parts: readonly { name: string; args: readonly string[] }[] = [
  { name: 'unit', args: ['--maxWorkers=2', '--testPathIgnorePatterns', '<rootDir>/test/', '/node_modules/'] },
  { name: 'e2e', args: ['--runInBand', '--forceExit', 'test/'] },
]

/** One jest run; its suites that could not even load count as failed tests. */
async function runJest(name: string, args: readonly string[], folder: string): Promise<Totals> {
  const report = join(folder, `${name}.json`)
  const jest = [
    '--experimental-vm-modules',
    '--disable-warning=ExperimentalWarning',
    join(root, 'node_modules/jest/bin/jest.js'),
    '--json',
    `--outputFile=${report}`,
  ]
  const code = await new Promise<number>(resolve =>
    spawn(process.execPath, [...jest, ...args], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] }).on(
      'exit',
      status => resolve(status ?? 1),
    ),
  )
  try {
    const result = JSON.parse(readFileSync(report, 'utf8')) as { [total: string]: number }
    return {
      passed: result.numPassedTests!,
      failed: result.numFailedTests! + result.numRuntimeErrorTestSuites!,
      skipped: result.numPendingTests! + result.numTodoTests!,
    }
  } catch {
    console.error(`${name}: jest ended with ${code} and left no report`)
    return { passed: 0, failed: 1, skipped: 0 }
  }
}

const wanted = parts.filter(part => process.argv.length <= 2 || process.argv.includes(`--${part.name}`))
const folder = mkdtempSync(join(tmpdir(), 'skiff-test-'))
const total: Totals = { passed: 0, failed: 0, skipped: 0 }
for (const { name, args } of wanted) {
  const totals = await runJest(name, args, folder)
  for (const key of ['passed', 'failed', 'skipped'] as const) total[key] += totals[key]
}
rmSync(folder, { recursive: true })
console.log(`${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}`)
process.exitCode = total.failed > 0 ? 1 : 0
