// Compiles src: `build-ts.mjs [FOLDER]`, dist by default. Then it bundles the program: cli/main.js and what it imports of the
// folder become a few files in cli, since Node takes one to two milliseconds to load a module and the program has hundreds.
// The other folders stay as tsc made them, for who imports the package.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const folder = path.resolve(process.argv[2] ?? path.join(root, 'dist'))
const program = path.join(folder, 'cli')

const tsc = path.join(root, 'node_modules/@typescript/native/bin/tsc')
const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', folder], {
  cwd: root,
  stdio: 'inherit',
})
if (status !== 0) process.exit(status ?? 1)

// Node takes the package by require() as it is, but TypeScript's `node16` refuses the types of an ES module there. These have
// the same names and take their types from the others.
const names = Object.entries(await import(pathToFileURL(path.join(folder, 'index.js')).href))
const isClass = value => typeof value === 'function' && /^class\b/.test(value)
const asModule = "'./index.js' with { 'resolution-mode': 'import' }"
writeFileSync(
  path.join(folder, 'index.d.cts'),
  [
    `import type * as esModule from ${asModule}`,
    `export type * from ${asModule}`,
    ...names.map(([name]) => `export declare const ${name}: typeof esModule.${name}`),
    ...names.filter(([, value]) => isClass(value)).map(([name]) => `export type ${name} = esModule.${name}`),
    '',
  ].join('\n'),
)

// The address of a module, from which it finds files beside it, stays that of the file that tsc made.
const addresses = {
  name: 'addresses',
  setup: ({ onLoad }) =>
    onLoad({ filter: /\.js$/ }, ({ path: file }) => {
      const module = JSON.stringify(path.relative(program, file).replaceAll(path.sep, '/'))
      const code = readFileSync(file, 'utf8')
      return { contents: code.replaceAll('import.meta.url', `new URL(${module}, import.meta.url).href`) }
    }),
}

const { outputFiles } = await build({
  entryPoints: [path.join(program, 'main.js')],
  outdir: program,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  packages: 'external',
  plugins: [addresses],
  write: false,
  logLevel: 'warning',
})
rmSync(program, { recursive: true })
mkdirSync(program)
for (const { path: file, contents } of outputFiles) writeFileSync(file, contents)
