// The code of the documents, as files that can be checked: a block that begins with an import begins a file, and those of
// the same language behind it go on in it.
import { readFile, readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');

/** Documents whose code is for people to copy. */
export async function documents() {
  const guides = (await readdir(join(ROOT, 'docs/guides'))).filter((name) => name.endsWith('.md')).map((name) => `docs/guides/${name}`);
  return ['README.md', 'docs/migrating-from-transformers-js.md', ...guides];
}

const LANGUAGES = ['js', 'ts', 'tsx', 'svelte'];

/** The fenced blocks of a text in languages that can be checked, with the lines they begin at. */
export function blocksOf(text) {
  const blocks = [];
  let open;
  text.split('\n').forEach((line, at) => {
    const [, fence] = /^```(\w*)/.exec(line) ?? [];
    if (fence === undefined) open?.lines.push(line);
    else if (open) {
      if (LANGUAGES.includes(open.language)) blocks.push(open);
      open = undefined;
    } else open = { language: fence, lines: [], line: at + 2 };
  });
  if (open) throw new Error(`a block of code that begins at line ${open.line} has no end`);
  return blocks.map(({ lines, ...block }) => ({ ...block, code: lines.join('\n') }));
}

/**
 * The files that a text's blocks make. Lines are where they are in the document, so that what is found can be found.
 * @returns {{ name: string, language: string, code: string }[]}
 */
export function filesOf(path, text) {
  const files = [];
  for (const { language, code, line } of blocksOf(text)) {
    // A worker's script has no imports, and stands alone.
    const fresh = language === 'svelte' || /^(\s*\/\/.*\n)*\s*import\b/.test(code) || /\bself\.addEventListener\b/.test(code);
    let file = files.findLast((other) => other.language === language);
    if (fresh || !file) {
      file = { name: `${basename(path, '.md')}-${line}`, language, code: '' };
      files.push(file);
    }
    const before = file.code.split('\n').length;
    file.code += '\n'.repeat(Math.max(0, line - before)) + code + '\n';
  }
  return files;
}

/** All of them. */
export async function allFiles() {
  const paths = await documents();
  return (await Promise.all(paths.map(async (path) => filesOf(path, await readFile(join(ROOT, path), 'utf8'))))).flat();
}
