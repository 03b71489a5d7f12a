/**
 * Bundles the program into dist/: skiff.mjs, agent.mjs, what runs in threads beside it, the base class for operators of others,
 * and source maps. `node scripts/build.ts FOLDER BUILD` does it elsewhere, for a release: BUILD is what bootstrap/version.ts
 * is to know, as JSON.
 */

import { copyFile, mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type BuildOptions, build, type Plugin } from 'esbuild'

const root = join(import.meta.dirname, '..')
const [dist = join(root, 'dist'), buildFacts] = process.argv.slice(2)

/** What most processes need none of: files of their own beside the bundle. The S3 client is in the module that names what is used of it. */
const apart: Plugin = {
  name: 'apart',
  setup: ({ onResolve }) => {
    onResolve({ filter: /^(pg|mysql2)$/ }, ({ kind, path }) =>
      kind === 'entry-point' ? undefined : { path: `./${path}.mjs`, external: true },
    )
    onResolve({ filter: /^\.\/sdk\.ts$/ }, ({ importer }) =>
      importer.endsWith('/snapshot/s3/connect.ts') ? { path: './s3.mjs', external: true } : undefined,
    )
  },
}

/**
 * Node.js' own modules, by the names that are used. An import of one reads all it has, also what it makes when first read: of
 * node:http that is a client of WebSockets, of node:crypto another crypto; 4 MB of an idle server, and time at each start.
 */
const builtins: Plugin = {
  name: 'builtins',
  setup: ({ onResolve, onLoad }) => {
    onResolve({ filter: /^node:/ }, ({ kind, path }) =>
      kind === 'import-statement' ? { path, namespace: 'builtin', sideEffects: false } : undefined,
    )
    onLoad({ filter: /./, namespace: 'builtin' }, ({ path }) => ({ contents: builtinByName(path) }))
  },
}

/** What is not imported is left out by esbuild. */
function builtinByName(path: string): string {
  const names = Object.keys(process.getBuiltinModule(path) ?? {}).filter(name => name !== 'default')
  return [
    `const builtin = process.getBuiltinModule('${path}')`,
    'const __named = name => builtin[name]',
    'export default builtin',
    ...names.map(name => `export const ${name} = /* @__PURE__ */ __named('${name}')`),
  ].join('\n')
}

const settings = {
  absWorkingDir: root,
  plugins: [apart, builtins],
  outdir: dist,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  minifySyntax: true,
  minifyWhitespace: true,
  sourcemap: 'external',
  // Native modules stay outside (pg's is optional and not used); packages written for CommonJS find `require` here.
  external: ['better-sqlite3', 'pg-native'],
  banner: {
    js: "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);",
  },
  ...(buildFacts === undefined ? {} : { define: { SKIFF_BUILD: buildFacts } }),
  logLevel: 'warning',
  write: false,
} as const satisfies BuildOptions

const programs = await build({
  ...settings,
  entryPoints: {
    skiff: 'skiff.ts',
    'sqlite-writer': 'bootstrap/datastore/sqlite/writer.ts',
    'helm-render': 'operators/helmchart/render/worker.ts',
    operator: 'operators/sdk/index.ts',
    settle: 'bootstrap/release/main.ts',
    pg: 'pg',
    mysql2: 'mysql2',
  },
})
// Of its modules, unlike of its CommonJS form, what is not used can be left out.
const s3 = await build({
  ...settings,
  plugins: [builtins],
  mainFields: ['module', 'main'],
  entryPoints: { s3: 'operators/snapshot/s3/sdk.ts' },
})
// In pieces, so that an agent holds the text of what it uses and not that of a server: 3 MB less of 95.
const agent = await build({
  ...settings,
  entryPoints: { agent: 'skiff-agent.ts' },
  splitting: true,
  chunkNames: 'agent-[hash]',
})

await mkdir(dist, { recursive: true })
for (const name of await readdir(dist)) if (/^agent-.*\.mjs/.test(name)) await rm(join(dist, name))
for (const { path, text } of [...programs.outputFiles, ...s3.outputFiles, ...agent.outputFiles])
  await writeFile(path, path.endsWith('.mjs') ? inAscii(text) : text)

/** esbuild leaves letters of regular expressions as they are, and one of them makes V8 keep the whole text in two bytes each. */
function inAscii(text: string): string {
  return text.replace(/[^\0-\x7f]/g, letter => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

// Read beside the bundle at run time, when first needed.
for (const name of ['schema.gen.json', 'descriptions.gen.json'])
  await copyFile(join(root, 'bootstrap/apiserver/schema', name), join(dist, name))
