// Timing sides against each other: every round each once, in turning order, and ratios taken within rounds.

/** A sample lasts this long at least, so that the clock's grain and a moment's disturbance are small in it. */
const SAMPLE_MS = 60;
const MOST_CALLS = 16;
/** Where one call takes this long, three rounds have to do. */
const SLOW_MS = 15_000;
/** How long engines compile what they found hot. */
const WARM_MS = 500;
const AUDITION_CALLS = 3;

export const median = (values) => {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
};

/** Milliseconds of a call once it is warm. */
async function warmed(page, inputs) {
  const began = performance.now();
  let best = Infinity;
  for (let call = 0; call < AUDITION_CALLS || performance.now() - began < WARM_MS; call++) {
    best = Math.min(best, await page.call('time', inputs, 1));
    // One that takes seconds has nothing left to warm up.
    if (best > WARM_MS) break;
  }
  return best;
}

/** The quickest of several pages. A single one is not asked. */
export async function quickest(pages, inputs) {
  if (pages.length === 1) return pages[0];
  const times = [];
  for (const page of pages) times.push({ page, ms: await warmed(page, inputs) });
  return times.reduce((best, found) => (found.ms < best.ms ? found : best)).page;
}

/** Times of two pages round by round, `{ ours, peer }`. */
export async function rounds(pages, inputs, count) {
  const once = { ours: await warmed(pages.ours, inputs), peer: await warmed(pages.peer, inputs) };
  const calls = Math.min(MOST_CALLS, Math.max(1, Math.ceil(SAMPLE_MS / Math.min(once.ours, once.peer))));
  const times = { ours: [], peer: [] };
  for (let round = 0; round < count; round++) {
    for (const who of round % 2 ? ['peer', 'ours'] : ['ours', 'peer']) times[who].push(await pages[who].call('time', inputs, calls));
    if (round >= 2 && Math.max(...times.peer, ...times.ours) > SLOW_MS) break;
  }
  return { times, calls };
}

/** What a row says of two sides: medians, and the ratio of the second to the first. */
export function summary([[top, tops], [bottom, bottoms]]) {
  const ratios = tops.map((value, i) => value / bottoms[i]);
  return {
    [`${bottom}_ms`]: median(bottoms), [`${top}_ms`]: median(tops), ratio: median(ratios),
    ratio_min: Math.min(...ratios), ratio_max: Math.max(...ratios), n: ratios.length,
  };
}
