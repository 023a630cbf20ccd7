// Types of code that documents have, by the compiler that the package is built with.
import { spawnSync } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { ROOT } from './blocks.mjs';

const tsc = join(dirname(createRequire(join(ROOT, 'package.json')).resolve('typescript/package.json')), 'bin/tsc');

// What browsers have and TypeScript's library for pages has not; the events are those of a service worker.
const BROWSER = `
declare function showDirectoryPicker(): Promise<FileSystemDirectoryHandle>;
interface ExtendableEvent extends Event { waitUntil(work: Promise<unknown>): void }
interface FetchEvent extends ExtendableEvent { readonly request: Request; respondWith(answer: Response | Promise<Response>): void }
interface WindowEventMap { install: ExtendableEvent; activate: ExtendableEvent; fetch: FetchEvent }
`;

const OPTIONS = {
  target: 'es2022', module: 'esnext', moduleResolution: 'bundler', moduleDetection: 'force', jsx: 'react-jsx',
  lib: ['es2024', 'dom', 'dom.iterable', 'dom.asynciterable'], types: ['node', 'svelte'],
  noEmit: true, allowJs: true, checkJs: true, skipLibCheck: true,
};

/**
 * Writes files to a folder of `output`, which finds the packages of this folder, and checks them: JavaScript as an
 * editor does, TypeScript strictly.
 * @returns what the compiler says; nothing if all is well
 */
export async function check(folder, files) {
  const place = join(ROOT, 'tests/documents/output', folder);
  await rm(place, { recursive: true, force: true });
  let said = '';
  for (const [kind, strict] of [['js', false], ['ts', true]]) {
    const mine = files.filter(({ language }) => (language === 'js') === (kind === 'js'));
    if (mine.length === 0) continue;
    const under = join(place, kind);
    await mkdir(under, { recursive: true });
    await writeFile(join(under, 'browser.d.ts'), BROWSER);
    for (const { name, language, code } of mine) {
      await writeFile(join(under, `${name}.${language === 'svelte' ? 'ts' : language}`), language === 'svelte' ? scriptOf(code) : code);
    }
    await writeFile(join(under, 'tsconfig.json'), JSON.stringify({ compilerOptions: { ...OPTIONS, strict }, include: ['.'] }));
    said += spawnSync(process.execPath, [tsc, '-p', under], { encoding: 'utf8' }).stdout;
  }
  return said;
}

/** The script of a component, at its own lines. */
function scriptOf(component) {
  const [, before, script] = /^(.*?<script lang="ts">)(.*?)<\/script>/s.exec(component) ?? [];
  if (script === undefined) throw new Error('a component without <script lang="ts">');
  return before.replaceAll(/[^\n]/g, '') + script;
}
