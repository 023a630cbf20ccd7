// The sample corpus is data that the page and the browser tests lean on: these checks keep it
// complete, unique and short, and keep every sample question answerable.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

const read = async (name) =>
  JSON.parse(await readFile(new URL(`../public/sample/${name}`, import.meta.url), 'utf8'));
const passages = await read('passages.json');
const questions = await read('questions.json');
const words = (text) => text.toLowerCase().match(/\p{L}+/gu) ?? [];

test('there are enough passages on enough subjects', () => {
  assert.ok(passages.length >= 220, `${passages.length} passages`);
  const topics = groupByTopic();
  assert.ok(topics.size >= 20, `${topics.size} topics`);
  for (const [topic, members] of topics) assert.ok(members.length >= 5, `${topic} is thin`);
});

test('every passage is whole, unique and of a readable length', () => {
  const seen = { id: new Set(), title: new Set(), text: new Set() };
  for (const passage of passages) {
    assert.deepEqual(Object.keys(passage), ['id', 'title', 'topic', 'text']);
    assert.match(passage.id, /^[a-z0-9]+(-[a-z0-9]+)*$/);
    const count = passage.text.split(/\s+/).length;
    assert.ok(count >= 30 && count <= 80, `${passage.id} has ${count} words`);
    assert.match(passage.text, /[.?!]$/, passage.id);
    for (const [field, values] of Object.entries(seen)) {
      assert.ok(!values.has(passage[field]), `${passage.id}: ${field} appears twice`);
      values.add(passage[field]);
    }
  }
});

test('every question has its passage and is not copied from it', () => {
  assert.ok(questions.length >= 40, `${questions.length} questions`);
  const byId = new Map(passages.map((p) => [p.id, p]));
  const asked = new Set();
  for (const { question, answer_id } of questions) {
    const answer = byId.get(answer_id);
    assert.ok(answer, `${question}: no passage ${answer_id}`);
    assert.ok(!asked.has(question), `${question} appears twice`);
    asked.add(question);
    // Short words are grammar; among the rest, a question must bring words of its own.
    const text = new Set(words(`${answer.title} ${answer.text}`));
    const content = words(question).filter((w) => w.length > 3);
    const shared = content.filter((w) => text.has(w));
    assert.ok(shared.length <= content.length / 2, `${question}: shares ${shared.join(', ')}`);
  }
});

function groupByTopic() {
  const topics = new Map();
  for (const p of passages) topics.set(p.topic, [...(topics.get(p.topic) ?? []), p]);
  return topics;
}
