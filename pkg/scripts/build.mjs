// Builds the package into dist/: the engine that `cargo xtask wasm` left in wasm/, and the TypeScript around it, minified:
// pages without a bundler download it as it is.
import { spawnSync } from 'node:child_process';
import { cp, copyFile, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transform } from 'esbuild';

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
for (const file of await readdir(dist, { recursive: true })) {
  if (file.endsWith('.js')) await minify(join(dist, file));
}
for (const licence of ['LICENSE-APACHE', 'LICENSE-MIT']) {
  await copyFile(join(pkg, '..', licence), join(pkg, licence));
}

/** Minifies a script in place. Where it has a source map, that still leads to the TypeScript. */
async function minify(file) {
  const map = await readFile(`${file}.map`, 'base64').catch(() => undefined);
  let script = await readFile(file, 'utf8');
  if (map) script = script.replace(/(?<=^\/\/# sourceMappingURL=).*$/m, `data:application/json;base64,${map}`);
  const options = { minify: true, format: 'esm', target: 'es2022', sourcefile: file, sourcemap: map ? 'external' : false };
  const minified = await transform(script, options);
  const link = map ? `//# sourceMappingURL=${basename(file)}.map\n` : '';
  await writeFile(file, minified.code + link);
  if (map) await writeFile(`${file}.map`, minified.map);
}
