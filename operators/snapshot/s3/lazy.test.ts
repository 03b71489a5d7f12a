import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'

test('the S3 client is loaded by one dynamic import alone', () => {
  const files = readdirSync(import.meta.dirname).filter(name => name.endsWith('.ts') && !name.endsWith('.test.ts'))
  const imports = files.flatMap(name => {
    const text = readFileSync(join(import.meta.dirname, name), 'utf8')
    return [...text.matchAll(/^.*(?:sdk\.ts|@aws-sdk).*$/gm)].map(([line]) => `${name}: ${line.trim()}`)
  })
  const loading = imports.filter(line => !line.includes('import type') && !line.startsWith('sdk.ts: '))
  expect(loading).toEqual(["connect.ts: const sdk = await import('./sdk.ts')"])
})
