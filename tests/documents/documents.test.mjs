// The reference is that of the types as they are, and the code of the guides fits them.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { compile } from 'svelte/compiler';
import { API, reference } from './api.mjs';
import { allFiles, blocksOf, filesOf } from './blocks.mjs';
import { check } from './check.mjs';

test('docs/api.md is that of the types', async () => {
  const [written, made] = await Promise.all([readFile(API, 'utf8'), reference()]);
  if (written === made) return;
  const [old, now] = [written.split('\n'), made.split('\n')];
  const line = now.findIndex((text, at) => text !== old[at]);
  assert.fail(`docs/api.md is out of date from line ${line + 1} on: run \`npm run docs:api\`\n  it says  ${old[line]}\n  should be ${now[line]}`);
});

test('the code of the guides has the right types', async () => {
  const files = await allFiles();
  for (const language of ['js', 'ts', 'tsx', 'svelte']) assert.ok(files.some((file) => file.language === language), `there is ${language}`);
  assert.equal(await check('guides', files), '');
});

test('code that does not fit the types is found, at its line', async () => {
  const guide = [
    '# A guide', '```js', "import { load } from 'heatseek';", "const model = await load('owner/name', { devise: 'gpu' });", '```',
    'and', '```js', 'model.embedd([]);', '```',
    '```tsx', "import type { Hit } from 'heatseek';", 'export const Score = ({ hit }: { hit: Hit }) => <b>{hit.scores}</b>;', '```',
    '```svelte', '<script lang="ts">', "  import type { Hit } from 'heatseek';", '  let { hit }: { hit: Hit } = $props();', '  const n: string = hit.score;', '</script>', '```', '',
  ].join('\n');
  const said = await check('faults', filesOf('guide.md', guide));
  const found = [...said.matchAll(/\((\d+),\d+\): error/g)].map(([, line]) => Number(line)).sort((a, b) => a - b);
  assert.deepEqual(found, [4, 8, 12, 18], said);
});

test('components compile without a warning', async () => {
  const components = (await allFiles()).filter(({ language }) => language === 'svelte');
  for (const { name, code } of components) {
    assert.deepEqual(compile(code.trimStart(), { filename: `${name}.svelte` }).warnings.map(({ message }) => message), []);
  }
  assert.throws(() => compile('{#each hits as hit}', { filename: 'a.svelte' }));
});

test('a block without an end is an error', () => {
  assert.throws(() => blocksOf('```js\nlet a;'), /line 2/);
  assert.deepEqual(blocksOf('```js\nlet a;\n```\n```sh\nls\n```').map(({ code }) => code), ['let a;']);
});
