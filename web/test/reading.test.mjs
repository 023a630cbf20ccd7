// What is read from files that need no browser, and how lines of a PDF page become paragraphs.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bundled } from './bundled.mjs';

const { decode, decodePage } = await bundled('reading/decode.ts');
const { readCsv } = await bundled('reading/csv.ts');
const { readJson, readJsonLines } = await bundled('reading/json.ts');
const { paragraphs } = await bundled('reading/pdf-lines.ts');
const { Markdown } = await bundled('reading/markdown.ts');
const bytes = (text) => new TextEncoder().encode(text);

test('an encoding is said or it is UTF-8', () => {
  assert.equal(decode(bytes('\ufeffbee')), 'bee');
  assert.equal(decode(Uint8Array.of(0xff, 0xfe, 0x62, 0, 0x65, 0)), 'be');
  assert.equal(decode(Uint8Array.of(0xfe, 0xff, 0, 0x62)), 'b');
  assert.throws(() => decode(Uint8Array.of(0x43, 0xe9)), /is not UTF-8 text/);
  const page = Buffer.from('<meta charset="iso-8859-15">Caf\xe9 \xa4', 'latin1');
  assert.match(decodePage(page), /Café €$/);
  assert.throws(() => decodePage(bytes('<meta charset=klingon>')), /“klingon”/);
});

test('rows of tables stand under the names of their columns', () => {
  assert.deepEqual(readCsv(bytes('name;food\n"Ann; B.";honey\n\n;bread\n')), [
    { text: 'name: Ann; B.\nfood: honey', title: 'row 2' },
    { text: 'food: bread', title: 'row 3' },
  ]);
  assert.deepEqual(readCsv(bytes('1,bees\n2,bread\n')).map(({ text, title }) => [text, title]), [['1\nbees', 'row 1'], ['2\nbread', 'row 2']]);
});

test('JSON: items of a list one by one, values under their names', () => {
  assert.deepEqual(readJson(bytes('[{"a":{"b":[1,"x"]},"c":null},"bees"]')), [
    { text: 'a.b: 1\na.b: x', title: 'item 1' },
    { text: 'bees', title: 'item 2' },
  ]);
  assert.deepEqual(readJson(bytes('{"a":true}')), [{ text: 'a: true' }]);
  assert.throws(() => readJson(bytes('{')), /is not JSON/);
  assert.deepEqual(readJsonLines(bytes('{"a":1}\n\n{"id":"x","text":"as exported","metadata":{}}\n')), [
    { text: 'a: 1', title: 'line 1' },
    { text: 'as exported', title: 'line 3' },
  ]);
  assert.throws(() => readJsonLines(bytes('1\n{')), /is not JSON in line 2/);
});

test('lines that stand close are one paragraph', () => {
  const line = (str, y, more = {}) => ({ str, hasEOL: true, height: 12, transform: [12, 0, 0, 12, 72, y], ...more });
  assert.equal(paragraphs([line('Bees dance on the', 700), line('comb, and beauti-', 686), line('ful it is.', 672), line('Another.', 640)]),
    'Bees dance on the comb, and beautiful it is.\n\nAnother.');
  // The next column begins higher up.
  assert.equal(paragraphs([line('left', 100), line('right', 700)]), 'left\n\nright');
  assert.equal(paragraphs([line('A', 700, { hasEOL: false }), line(' ', 700, { hasEOL: false }), line('title', 700), line('', 0, { height: 0 })]), 'A title');
  assert.equal(paragraphs([]), '');
});

test('Markdown is put together block by block', () => {
  const out = new Markdown();
  out.add('Title');
  out.end('# ');
  for (const item of ['one', ' two  words ']) {
    out.add(item);
    out.end('- ', 'list');
  }
  out.code('a\n  b\n');
  out.add('x');
  out.cell();
  out.add('y');
  assert.equal(out.text(), '# Title\n\n- one\n- two words\n\n```\na\n  b\n```\n\nx | y');
});
