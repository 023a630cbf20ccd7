// Builds the package into dist/: the engine that `cargo xtask wasm` left in wasm/, and the TypeScript around it.
import { spawnSync } from 'node:child_process';
import { cp, copyFile, readdir, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

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
for (const licence of ['LICENSE-APACHE', 'LICENSE-MIT']) {
  await copyFile(join(pkg, '..', licence), join(pkg, licence));
}
