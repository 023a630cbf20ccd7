// What `npm run bench:browser` refuses and how it counts, without a browser: the numbers of the documents rest on it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseArgs } from 'node:util';
import { OPTIONS, asked } from '../bench/asked.mjs';
import { cosine, judge } from '../bench/judge.mjs';
import { figures, markdown, summarised } from '../bench/report.mjs';
import { quickest, rounds, summary } from '../bench/rounds.mjs';

/** Two rows of three. */
const RIGHT = { width: 3, data: [1, 2, 3, -1, 0.5, 2] };
/** The same with the last row turned away so far that its cosine to the right one is `to`. */
function off(to) {
  const row = RIGHT.data.slice(3);
  const [a, b, c] = row;
  const across = [-b, a, 0];
  const scale = Math.hypot(a, b, c) * Math.sqrt(1 - to * to) / (to * Math.hypot(a, b));
  return { width: 3, data: [...RIGHT.data.slice(0, 3), ...row.map((value, i) => value + scale * across[i])] };
}
const candidate = (answer, peer = 'plain') => ({ peer, answer });
const NONE = { width: 0, data: [] };

test('the worst row decides, however long vectors are', () => {
  assert.ok(Math.abs(cosine(off(0.95), RIGHT) - 0.95) < 1e-12);
  assert.ok(Math.abs(cosine({ ...RIGHT, data: RIGHT.data.map((value) => 7 * value) }, RIGHT) - 1) < 1e-12);
});

test('what has other sizes, nothing in it or no numbers has no cosine', () => {
  const others = [NONE, { ...RIGHT, width: 2 }, { width: 3, data: RIGHT.data.slice(3) }, { width: 3, data: [1, 2, 3, 0, 0, 0] }, { width: 3, data: [NaN, 2, 3, -1, 0.5, 2] }];
  for (const other of others) assert.ok(Number.isNaN(cosine(other, RIGHT)), JSON.stringify(other));
  assert.ok(Number.isNaN(cosine(NONE, NONE)));
});

test('right answers of both sides are timed', () => {
  const { own, right, why } = judge('f32', { ours: RIGHT, candidates: [candidate(RIGHT), candidate(off(0.99995), 'fused')] });
  assert.equal(why, undefined);
  assert.ok(own > 0.9999);
  assert.deepEqual(right.map(({ peer }) => peer), ['plain', 'fused']);
});

test('a graph that is off is left out, and the others are timed', () => {
  const { right, why } = judge('f32', { ours: RIGHT, candidates: [candidate(off(0.9998)), candidate(NONE, 'failed'), candidate(RIGHT, 'fused')] });
  assert.equal(why, undefined);
  assert.deepEqual(right.map(({ peer }) => peer), ['fused']);
});

test('an answer of ours that is off is refused, with how far and from what', () => {
  for (const ours of [off(0.9998), off(-0.5), NONE, { ...RIGHT, data: RIGHT.data.map(() => NaN) }]) {
    const { right, why } = judge('f32', { ours, candidates: [candidate(RIGHT), candidate(RIGHT, 'fused')] });
    assert.deepEqual(right, []);
    assert.match(why, /any graph of transformers\.js, at least 0\.9999 is right: nothing was timed/);
  }
  assert.match(judge('f32', { ours: off(0.9998), candidates: [candidate(RIGHT)] }).why, /cosine 0\.999800/);
});

test('without a right answer of the peer nothing is timed', () => {
  for (const candidates of [[], [candidate(off(0.7))], [candidate(NONE)]]) {
    const { right, why } = judge('int8', { ours: RIGHT, reference: RIGHT, candidates });
    assert.deepEqual(right, []);
    assert.match(why, /transformers\.js answers .* nothing was timed/);
  }
});

test('int8 is held to our f32 and not to what the peer makes of it', () => {
  const candidates = [candidate(off(0.93))];
  const right = judge('int8', { ours: off(0.995), reference: RIGHT, candidates });
  assert.deepEqual([right.why, right.right.length], [undefined, 1]);
  assert.ok(Math.abs(right.own - 0.995) < 1e-9 && Math.abs(right.right[0].cosine - 0.93) < 1e-9);
  // As far off as the peer, which agrees with it.
  const wrong = judge('int8', { ours: off(0.93), reference: RIGHT, candidates });
  assert.match(wrong.why, /cosine 0\.930000 to our f32, at least 0\.99 is right/);
});

test('ratios are taken within rounds', () => {
  const row = summary([['peer', [30, 40, 90]], ['ours', [10, 20, 15]]]);
  assert.deepEqual(row, { ours_ms: 15, peer_ms: 40, ratio: 3, ratio_min: 2, ratio_max: 6, n: 3 });
  assert.equal(summary([['peer', [2, 4]], ['ours', [1, 1]]]).ratio, 3);
});

/** A page on which a call takes `ms`; too long for warming up. */
const page = (name, ms, calls = []) => ({ name, calls, call: async () => (calls.push(name), ms) });

test('sides take turns, who begins changes, and the quickest graph is taken', async () => {
  const order = [];
  const pages = { ours: page('ours', 600, order), peer: page('peer', 900, order) };
  const { times, calls } = await rounds(pages, [], 3);
  assert.equal(calls, 1);
  assert.deepEqual(times, { ours: [600, 600, 600], peer: [900, 900, 900] });
  assert.deepEqual(order.slice(2), ['ours', 'peer', 'peer', 'ours', 'ours', 'peer']);
  assert.equal((await quickest([page('a', 900), page('b', 700), page('c', 800)], [])).name, 'b');
});

test('a refused case is in the report without a time', () => {
  const about = { date: '2026-01-01T00:00', commit: 'abc', cores: 2, cpu: 'CPU', system: 'OS', browser: 'Chromium', load: 0 };
  const at = { model: 'm', device: 'wasm', dtype: 'f32', threads: 1 };
  const timed = { case: 'right', ...at, ...summary([['peer', [30]], ['ours', [10]]]) };
  const rows = [timed, { case: 'wrong', ...at, refused: 'cosine 0.5' }];
  assert.equal(figures(rows[1]), undefined);
  assert.match(markdown(about, rows), /\| m \| wrong \| wasm \| f32 \| 1 \|  \|  \|  \| cosine 0\.5 \|/);
  assert.doesNotMatch(summarised(about, rows), /wrong/);
});

const ask = (...args) => asked(parseArgs({ args, options: OPTIONS }).values);

test('without names all is timed, and --quick the first case', () => {
  const all = ask();
  assert.deepEqual(all.settings.filter(({ device }) => device === 'webgpu').map(({ threads }) => threads), [1, 1, 1, 1]);
  assert.equal(all.settings.length, 2 * (2 + 2 * 2));
  assert.ok(all.wanted('cold start') && all.wanted('attention'));
  const quick = ask('--quick');
  assert.deepEqual(quick.settings.map(({ dtype, threads }) => `${dtype} ${threads}`), Array(4).fill('f32 1'));
  assert.deepEqual(quick.casesOf(quick.settings[0]).map(([name]) => name), ['1x12']);
});

test('what is named is timed, and nothing else', () => {
  const { settings, casesOf, wanted } = ask('--model', 'all-MiniLM-L6-v2', '--device', 'webgpu', '--cases', '4x32, cold start', '--dtype', 'f32');
  assert.deepEqual(settings, [{ model: 'all-MiniLM-L6-v2', device: 'webgpu', dtype: 'f32', threads: 1 }]);
  assert.deepEqual(casesOf(settings[0]).map(([name]) => name), ['4x32']);
  assert.ok(wanted('cold start') && !wanted('peak memory'));
  assert.equal(ask('--quick', '--cases', '4x32', '--device', 'webgpu').casesOf(settings[0]).length, 1);
});

test('a name that there is not is refused, with those there are', () => {
  const refused = [
    [['--model', 'all-MiniLM'], /--model: no all-MiniLM here; there is all-MiniLM-L6-v2, dinov2-small/],
    [['--device', 'wasm,cuda'], /--device: no cuda here; there is webgpu, wasm/],
    [['--dtype', 'f16'], /--dtype: no f16 here; there is f32, int8/],
    [['--cases', '1x12,2x32'], /--cases: no 2x32 here; there is .*4x32.*1x224.*cold start.*attention/],
    // Those of another device or model, which would time nothing.
    [['--device', 'wasm', '--cases', '4x32'], /no 4x32 here; there is 1x12, 32x32/],
    [['--model', 'all-MiniLM-L6-v2', '--cases', '1x12,attention'], /no attention here/],
    [['--quick', '--cases', 'attention'], /no attention here/],
    [['--cases', 'cold start'], /name one of 1x12/],
    [['--model', ''], /there is all-MiniLM-L6-v2/],
    [['--threads', 'two'], /--threads two/],
    [['--rounds', '0'], /--rounds 0: whole numbers from 1 on/],
    [['--plant', 'theirs'], /--plant: no theirs here; there is ours, peer/],
  ];
  for (const [args, message] of refused) assert.throws(() => ask(...args), { message }, args.join(' '));
});
