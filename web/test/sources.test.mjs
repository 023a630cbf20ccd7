// Files become documents and documents files again; metadata may have been written by anybody. Names become such as can be kept.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bundled } from './bundled.mjs';

const { documentName, documentsOf, foldersOf, metadataOf, sourcesOf } = await bundled('collections/sources.ts');
const { cleanName, freeName } = await bundled('collections/names.ts');

test('a file’s parts are documents of their own, and one file again', () => {
  const stamp = { file: 'a/b/table.csv', size_bytes: 10, modified: 5 };
  const documents = documentsOf(stamp, [{ text: 'x', title: 'row 2' }, { text: 'y', title: 'row 3' }]);
  assert.deepEqual(documents.map(({ id }) => id), ['a/b/table.csv#1', 'a/b/table.csv#2']);
  assert.deepEqual(documents[0].metadata.folders, ['a', 'a/b']);
  const other = documentsOf({ file: 'z.md', size_bytes: 1, modified: 1 }, [{ text: '# z' }]);
  assert.equal(other[0].id, 'z.md');
  const sources = sourcesOf([documents[0], other[0], documents[1]], new Map([['a/b/table.csv#1', 2], ['a/b/table.csv#2', 3]]));
  assert.deepEqual(sources.map(({ file, kind, markdown, passages, parts, documentIds }) => ({ file, kind, markdown, passages, parts, ids: documentIds.length })), [
    { file: 'a/b/table.csv', kind: 'csv', markdown: false, passages: 5, parts: 2, ids: 2 },
    { file: 'z.md', kind: 'markdown', markdown: true, passages: undefined, parts: 1, ids: 1 },
  ]);
  assert.equal(documentName(documents[1]), 'a/b/table.csv · row 3');
});

test('a passage of a PDF file is called by its page', () => {
  const [document] = documentsOf({ file: 'b.pdf', size_bytes: 1, modified: 1 }, [{ text: 'one\n\ntwo', pages: [0, 5] }]);
  for (const [start, end, pages] of [[0, 3, 'page 1'], [0, 5, 'page 1'], [0, 6, 'pages 1–2'], [5, 8, 'page 2']]) {
    assert.equal(documentName(document, { start, end }), `b.pdf · ${pages}`);
  }
  assert.equal(documentName(document), 'b.pdf');
});

test('metadata of others is taken for what it is', () => {
  for (const metadata of [undefined, null, 'text', 7, [], { file: 3, folders: 'a', pages: ['x'], kind: {}, parts: 'many', title: 1, markdown: 'yes' }]) {
    assert.deepEqual(metadataOf({ id: 'id', metadata }), {
      file: 'id', size_bytes: 0, modified: 0, kind: 'other', folders: [], part: 0, parts: 1, markdown: false,
    });
  }
  assert.deepEqual(foldersOf('a.md'), []);
});

test('names that the package takes', () => {
  const bytes = (text) => new TextEncoder().encode(text).length;
  for (const [given, wanted] of [['a/b\\c', 'a b c'], [' ..x. ', 'x'], ['\u0000\ud800', ''], ['  many   spaces ', 'many spaces']]) assert.equal(cleanName(given), wanted);
  for (const long of ['ä'.repeat(200), '🐝'.repeat(99), `${'x'.repeat(79)} . y`]) {
    const name = cleanName(long);
    assert.ok(bytes(name) <= 80 && bytes(name) > 70, name);
    assert.match(name, /^[^/\\\p{Cc}]+$/u);
    assert.doesNotMatch(name, /^[.\s]|[.\s]$/u);
  }
  assert.equal(freeName('Notes', []), 'Notes');
  assert.equal(freeName('Notes', ['Notes', 'Notes 2']), 'Notes 3');
  assert.equal(freeName('///', []), 'Collection');
});
