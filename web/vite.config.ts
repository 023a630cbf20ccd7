import { defineConfig } from 'vite';

import { models } from './models-plugin.ts';

export default defineConfig({
  // Relative, so that the built page works under any path of any static host.
  base: './',
  plugins: [models('../models', ['all-MiniLM-L6-v2'])],
  // The package finds its wasm and its worker by `import.meta.url`; pre-bundling would move it.
  optimizeDeps: { exclude: ['heatseek'] },
  worker: { format: 'es' },
  build: { target: 'es2022', outDir: 'dist', emptyOutDir: true },
});
