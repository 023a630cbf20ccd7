// Chromium as every browser test runs it: headless, with WebGPU on the SwiftShader software adapter
// (or without any WebGPU), and failing on anything the console calls an error.
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const found = (process.env.PATH ?? '').split(delimiter).flatMap((dir) => NAMES.map((name) => join(dir, name)));
const MAC = '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome';

/** The browser to test in: $CHROMIUM, or the first on the PATH. */
export const executablePath = process.env.CHROMIUM ?? [...found, MAC].find((file) => existsSync(file));

const COMMON = [
  '--no-sandbox', // tests run as root in containers
  '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run',
];
const WEBGPU = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];

/** Starts Chromium; `webgpu: false` leaves it without any adapter. */
export async function launch({ webgpu = true, args = [] } = {}) {
  if (!executablePath) throw new Error('no Chromium found: install it or set CHROMIUM to its path');
  const gpu = webgpu ? WEBGPU : ['--disable-features=WebGPU', '--disable-gpu', '--disable-blink-features=WebGPU'];
  return chromium.launch({ executablePath, headless: true, args: [...COMMON, ...gpu, ...args] });
}

/**
 * A page whose console errors and uncaught exceptions are collected in `errors`. Without service workers, unless they are
 * asked for: one that fills its cache beside a test takes its time, and whatever it answers is not the server's.
 */
export async function open(browser, options = {}) {
  const context = await browser.newContext({ serviceWorkers: 'block', ...options });
  const page = await context.newPage();
  const errors = [];
  page.on('console', (message) => { if (message.type() === 'error') errors.push(message.text()); });
  page.on('pageerror', (error) => errors.push(String(error)));
  page.setDefaultTimeout(600_000);
  return { page, errors, context };
}
