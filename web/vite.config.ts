import { defineConfig } from 'vite';

import { models, pictures } from './models-plugin.ts';
import { offline } from './offline-plugin.ts';
import { SAMPLES } from './src/pictures/samples.ts';

export default defineConfig({
  // Relative, so that the built page works under any path of any static host.
  base: './',
  plugins: [
    models('../models', ['all-MiniLM-L6-v2', 'dinov2-small']),
    pictures('../models/test-pictures', SAMPLES.map(({ file }) => file)),
    offline(),
  ],
  // The package finds its wasm and its worker by `import.meta.url`; pre-bundling would move it.
  optimizeDeps: { exclude: ['heatseek'] },
  worker: { format: 'es' },
  build: {
    target: 'es2022',
    outDir: 'dist',
    emptyOutDir: true,
    rolldownOptions: {
      // Not every host knows that .mjs is JavaScript, and browsers run nothing else as a worker.
      output: { assetFileNames: ({ names: [name = ''] }) => `assets/[name]-[hash]${name.endsWith('.mjs') ? '.js' : '[extname]'}` },
    },
  },
});
