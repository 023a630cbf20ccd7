import { expect, test, vi } from 'vitest';
import type { Client } from '../src/client.js';
import { Model } from '../src/model.js';
import { alone } from './alone.js';
import { transfers } from '../src/protocol.js';
import type { Explanation, ExplainOptions, ModelInfo, OcclusionOptions } from '../src/types.js';

function setUp(input: 'text' | 'image') {
  const call = vi.fn(async () => undefined);
  return { call, model: new Model(alone({ call } as unknown as Client), { input } as ModelInfo) };
}

const bad = (message: RegExp) =>
  expect.objectContaining({ name: 'HeatseekError', code: 'invalid_input', message: expect.stringMatching(message) });
const plain = { pooling: 'auto', hidden: false };
const vector = new Float32Array([1, 2]);

test('explain posts both sides, each as it is to be embedded', async () => {
  const { model, call } = setUp('text');
  await model.explain('q', 'p');
  await model.explain(vector, 'p', { metric: 'dot', pooling: 'mean', query: { promptName: 'query' }, passage: { maxLength: 9 } });
  expect(call.mock.calls.map(([name, args]: unknown[]) => [name, args])).toEqual([
    ['explain', { query: 'q', passage: 'p', settings: { query: plain, passage: plain, metric: 'cosine' } }],
    ['explain', {
      query: vector,
      passage: 'p',
      settings: {
        query: { pooling: 'mean', hidden: false, promptName: 'query' },
        passage: { pooling: 'mean', hidden: false, maxLength: 9 },
        metric: 'dot',
      },
    }],
  ]);
});

test('occlusion posts a text or picture and what to compare with', async () => {
  const texts = setUp('text');
  await texts.model.occlusion('a', { against: 'b', promptName: 'query' });
  expect(texts.call.mock.lastCall?.slice(0, 2)).toEqual([
    'occlusion', { text: 'a', against: 'b', embed: { ...plain, promptName: 'query' } },
  ]);
  const images = setUp('image');
  await images.model.occlusion('https://a.test/a.png', { against: vector, window: 3 });
  await images.model.occlusion(new Blob(), { against: 'https://a.test/b.png' });
  expect(images.call.mock.calls.map(([name, args]: unknown[]) => [name, args])).toEqual([
    ['occlusion-image', { image: 'https://a.test/a.png', against: vector, window: 3, embed: plain }],
    ['occlusion-image', { image: expect.any(Blob), against: 'https://a.test/b.png', window: 1, embed: plain }],
  ]);
});

test.each<['text' | 'image', unknown, unknown, ExplainOptions, RegExp]>([
  ['text', 7, 'p', {}, /^query is 7; expected a string or a Float32Array$/],
  ['text', [1, 2], 'p', {}, /^query is an array/],
  ['text', 'q', null, {}, /^passage is null; expected a string$/],
  ['text', 'q', 'p', { metric: 'euclidean' as 'dot' }, /^metric is 'euclidean'; expected one of cosine, dot$/],
  ['text', 'q', 'p', { query: { prompt: 1 as unknown as string } }, /^prompt is 1/],
  ['text', 'q', 'p', { passage: { limit: 3 } as object }, /^passage has no option 'limit'/],
  ['image', new Blob(), vector, {}, /^passage is an object; expected a URL, Blob/],
  ['image', 'https://a.test/a.png', new Blob(), { query: {} }, /^explain has no option 'query'; there are metric, pooling, poolingWeights, signal/],
])('a model of %ss refuses to explain %j with %j and %j', async (input, query, passage, options, message) => {
  const { model, call } = setUp(input);
  await expect(model.explain(query as string, passage as string, options)).rejects.toEqual(bad(message));
  expect(call).not.toHaveBeenCalled();
});

test.each<['text' | 'image', unknown, OcclusionOptions, RegExp]>([
  ['text', 5, {}, /^input is 5; expected a string$/],
  ['text', 'a', { against: [1] as unknown as string }, /^against is an array; expected a string or a Float32Array$/],
  ['text', 'a', { window: 3 }, /^occlusion has no option 'window'/],
  ['image', new Blob(), { window: 0 }, /^window is 0; expected a whole number, 1 or more$/],
  ['image', new Blob(), { promptName: 'query' }, /^occlusion has no option 'promptName'/],
])('a model of %ss refuses to hide parts of %j with %j', async (input, given, options, message) => {
  const { model, call } = setUp(input);
  await expect(model.occlusion(given as string, options)).rejects.toEqual(bad(message));
  expect(call).not.toHaveBeenCalled();
});

test('the numbers of an explanation move, those that are there', () => {
  const layout = { kind: 'text', text: '', tokens: [] } as const;
  const whole: Explanation = {
    score: 1, similarity: new Float32Array(4), shape: [2, 2],
    query: { layout, contributions: new Float32Array(2) }, passage: { layout, contributions: new Float32Array(2) },
  };
  expect(transfers(whole)).toEqual([
    whole.similarity.buffer, whole.query?.contributions?.buffer, whole.passage.contributions?.buffer,
  ]);
  const part: Explanation = { score: 1, similarity: whole.similarity, shape: [1, 4], passage: { layout } };
  expect(transfers(part)).toEqual([whole.similarity.buffer]);
});
