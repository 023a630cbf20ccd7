import { expect, test, vi } from 'vitest';
import type { Client } from '../src/client.js';
import { Model } from '../src/model.js';
import { alone } from './alone.js';
import { transfers } from '../src/protocol.js';
import type { Analysis } from '../src/analysis.js';
import type { ModelInfo } from '../src/types.js';

function setUp(input: 'text' | 'image') {
  const call = vi.fn(async () => undefined);
  const client = { call, end: vi.fn() } as unknown as Client;
  return { call, model: new Model(alone(client), { input } as ModelInfo) };
}

const bad = (message: RegExp) =>
  expect.objectContaining({ name: 'HeatseekError', code: 'invalid_input', message: expect.stringMatching(message) });
const following = { signal: undefined, onProgress: undefined };

test('an analysis of a text is asked for with its layers, prompt and length', async () => {
  const { model, call } = setUp('text');
  await model.analyze('bees');
  expect(call).toHaveBeenLastCalledWith('analyze', {
    text: 'bees', settings: {}, embed: { pooling: 'auto', hidden: false },
  }, following);
  await model.analyze('bees', { layers: [2, 0], promptName: 'query', maxLength: 9 });
  expect(call).toHaveBeenLastCalledWith('analyze', {
    text: 'bees', settings: { layers: [2, 0] }, embed: { pooling: 'auto', hidden: false, promptName: 'query', maxLength: 9 },
  }, following);
});

test('an analysis of a picture takes no prompt', async () => {
  const { model, call } = setUp('image');
  const blob = new Blob([]);
  await model.analyze(blob, { layers: 'all' });
  expect(call).toHaveBeenLastCalledWith('analyze-image', { image: blob, settings: {} }, following);
  await expect(model.analyze(blob, { prompt: '' })).rejects.toEqual(bad(/no option 'prompt'/));
});

test.each<[unknown, object, RegExp]>([
  [['bees'], {}, /^input is an array; expected a string$/],
  ['bees', { layers: 2 }, /^layers is 2; expected 'all' or an array of numbers$/],
  ['bees', { layers: [0.5] }, /^layers\[0\] is 0.5/],
  ['bees', { heads: [1] }, /^analyze has no option 'heads'/],
])('analyze refuses %j with %j', async (input, options, message) => {
  const { model, call } = setUp('text');
  await expect(model.analyze(input as string, options)).rejects.toEqual(bad(message));
  expect(call).not.toHaveBeenCalled();
});

test('every array of an answer moves, once', () => {
  const array = () => new Float32Array(2);
  const shared = array();
  const found = transfers({
    entropy: shared, self: shared, rings: { data: array(), shape: [1, 2] }, clusters: { position: array(), label: [0, 0] },
    layout: { kind: 'text', text: '', tokens: [] }, rank: { full: [1] },
  } as unknown as Analysis);
  expect(found).toHaveLength(3);
  expect(found).toContain(shared.buffer);
  expect(transfers(undefined)).toEqual([]);
  expect(transfers({ persisted: 'opfs' })).toEqual([]);
});
