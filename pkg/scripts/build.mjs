// Builds the package into dist/: the engine that `cargo xtask wasm` left in wasm/, and the TypeScript around it, minified:
// pages without a bundler download it as it is.
import { spawnSync } from 'node:child_process';
import { cp, copyFile, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const pkg = fileURLToPath(new URL('..', import.meta.url));
const dist = join(pkg, 'dist');

const engine = await readdir(join(pkg, 'wasm')).catch(() => []);
const missing = ['heatseek_bg.wasm', 'heatseek_relaxed_bg.wasm', 'heatseek_extras_bg.wasm'].find((file) => !engine.includes(file));
if (missing) {
  console.error(`pkg/wasm has no ${missing}; run \`cargo xtask wasm\` first, or \`npm run build\` for everything`);
  process.exit(1);
}
await rm(dist, { recursive: true, force: true });

const typescript = createRequire(import.meta.url).resolve('typescript/package.json');
const tsc = join(dirname(typescript), 'bin', 'tsc');
const { status } = spawnSync(process.execPath, [tsc, '-p', pkg], { stdio: 'inherit' });
if (status !== 0) process.exit(status ?? 1);

// The same place relative to the modules in src/ as in dist/: tsconfig's rootDirs lays pkg/ over pkg/src/.
await cp(join(pkg, 'wasm'), join(dist, 'wasm'), { recursive: true });

// One file for each door: a page without a bundler would wait for some twenty modules, level by level, and its worker again.
// Minified, for such a page downloads it as it is; source maps lead to the TypeScript. The page's own thread is seldom where
// the engine runs: `import('./serve.js')` stays what it is. The modules stay too: tests import some of them.
async function bundle(entry, external = [], plugins = []) {
  await build({
    entryPoints: [join(dist, entry)], outdir: dist, allowOverwrite: true, bundle: true, external, minify: true, format: 'esm',
    target: 'es2022', sourcemap: true, logLevel: 'warning', plugins: [placeholders, ...plugins],
  });
  const text = await readFile(join(dist, entry), 'utf8');
  await writeFile(join(dist, entry), text.replaceAll(PLACEHOLDER, COMMENTS));
}

// The comments by which other bundlers leave an import alone, which esbuild drops as it minifies: something as long stands in
// for them, so that the source map stays right.
const COMMENTS = '/* webpackIgnore: true */ /* @vite-ignore */';
const PLACEHOLDER = `${'ignored'.padEnd(COMMENTS.length - 1, '_')}+`;
const placeholders = {
  name: 'placeholders',
  setup: ({ onLoad }) => onLoad({ filter: /host\.js$/ }, async ({ path }) => {
    const text = await readFile(path, 'utf8');
    if (!text.includes(`import(${COMMENTS} `)) throw new Error(`${path} has no import with ${COMMENTS}`);
    return { contents: text.replace(`${COMMENTS} `, PLACEHOLDER) };
  }),
};

// HeatseekError is one class for callers, by whichever door it comes: a second bundle of it would be another to `instanceof`.
const errorsOfIndex = {
  name: 'errors of index',
  setup: ({ onResolve }) => onResolve({ filter: /\/errors\.js$/ }, () => ({ path: './index.js', external: true })),
};

// A bundle is made of modules, so it must not come before another that reads them.
await bundle('worker.js');
await bundle('index.js', ['./serve.js']);
await bundle('serve.js');
await bundle('archive.js', [], [errorsOfIndex]);
// What only Node, Deno and Bun fetch. Checked by `npm run check`: the rest must do without Node's types.
await build({
  entryPoints: { node: join(pkg, 'src/node/index.ts') }, outdir: dist, bundle: true, platform: 'node', format: 'esm', target: 'node20',
  sourcemap: true, logLevel: 'warning',
});

for (const licence of ['LICENSE-APACHE', 'LICENSE-MIT']) {
  await copyFile(join(pkg, '..', licence), join(pkg, licence));
}
