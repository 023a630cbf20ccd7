// Chromium, with WebGPU in software where there is no GPU.
import { chromium } from 'playwright-core';

export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    args: [
      '--headless=new',
      '--no-sandbox',
      '--enable-unsafe-webgpu',
      '--use-webgpu-adapter=swiftshader',
      '--disable-background-networking',
    ],
  });
}

/**
 * Opens `url` with `parameters` in a new profile and waits for its `#result`.
 * @returns `{ result, complaints }`: what the page showed, and everything it complained of
 */
export async function read(browser, url, parameters, { reload = false } = {}) {
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    const complaints = [];
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) complaints.push(`${message.type()}: ${message.text()}`);
    });
    page.on('pageerror', (error) => complaints.push(`uncaught: ${error.message}`));
    await page.goto(`${url}?${new URLSearchParams(parameters)}`);
    const shown = async () => {
      const element = await page.waitForSelector('#result', { state: 'attached', timeout: 180_000 });
      return JSON.parse(await element.textContent());
    };
    let result = await shown();
    if (reload) {
      await page.reload();
      result = await shown();
    }
    return { result, complaints };
  } finally {
    await context.close();
  }
}
