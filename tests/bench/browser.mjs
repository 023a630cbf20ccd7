// npm run bench:browser [-- --model NAMES --device webgpu,wasm --dtype f32,int8 --threads 1,2 --cases NAME,… --rounds N
//                           --cold N --out DIR --keep --json FILE --quick --full --plant ours|peer]
//
// Times Heatseek and transformers.js in Chromium, interleaved: every round times each once, in alternating order, and the
// ratio is taken within the round. Before a case is timed, the answers must be right (judge.mjs); of the
// peer's graphs (export_onnx.py makes a plain and a fused one) and onnxruntime-web builds the quickest that answers right
// is taken, case by case. A call begins with texts or decoded pixels and ends with vectors in the page's memory:
// tokenizing, cutting and normalising are inside on both sides, decoding is not.
//
// `cold start` is from the navigation to the first vector in a new browser, `peak memory` what its processes held at most
// after every case, `runtime bytes` the code that the page fetched, after brotli: see fresh.mjs. The case `attention`, of
// models of pictures, times what looking costs us beside the plain call (see looks.mjs).
//
// Each row is printed and written when it is done; with `--keep` a run adds to what DIR has of an earlier one of the same
// machine; rows of another commit say so. `--plant` spoils the answers of a side, which must be refused. Status 1
// means that some case was.
import { parseArgs } from 'node:util';
import { launch } from '../browser/chromium.mjs';
import { OPTIONS, asked } from './asked.mjs';
import { codeBytes, visit } from './fresh.mjs';
import { judge } from './judge.mjs';
import { LOOKS } from './looks.mjs';
import { CASES as PICTURES } from './pictures.mjs';
import { Report, environment, figures, number, spread } from './report.mjs';
import { quickest, rounds, summary } from './rounds.mjs';
import { nameOf, ourSide, peerSides, smallest, start } from './sides.mjs';
import { INPUTS, checkSite, openSite } from './site.mjs';

const { values: given } = parseArgs({ options: OPTIONS });
let asking;
try {
  asking = asked(given);
  checkSite(asking.models);
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
const { settings, casesOf, wanted } = asking;

let report;
const began = performance.now();
function tell(row) {
  report.add(row);
  const at = `${Math.round((performance.now() - began) / 1000)} s`.padStart(7);
  const where = `${row.model} ${row.device} ${row.dtype} ${row.threads}`.padEnd(34);
  const found = figures(row);
  const what = found
    ? `ours ${number(found.ours)} ${found.unit}, ${found.against} ${number(found.other)} ${found.unit}, ${spread(row)}x n=${row.n}${row.peer_side ? `, ${row.peer_side}` : ''}`
    : row.refused ? `REFUSED: ${row.refused}` : `not run: ${row.skipped}`;
  console.log(`${at} ${where} ${row.case.padEnd(20)} ${what}`);
}

/** What `--plant` makes of an answer: one vector that says something else. */
function planted(who, answer) {
  if (given.plant !== who) return answer;
  const data = answer.data.map((value, i) => (i < answer.width && i % 2 ? -value : value));
  return { ...answer, data };
}

/** Our f32 vectors on the CPU, for int8: compared with transformers.js' f32 before they count. */
async function references(browser, site, setting) {
  const f32 = { ...setting, device: 'wasm', dtype: 'f32', threads: 1 };
  const [ours, peer] = [await start(browser, site, ourSide(f32)), await start(browser, site, peerSides(f32)[0])];
  const answer = async (inputs) => {
    const [own, theirs] = [await ours.call('answer', inputs), await peer.call('answer', inputs)];
    const { why } = judge('f32', { ours: own, candidates: [{ peer, answer: theirs }] });
    if (why) throw new Error(`the reference for int8 is off: ${why}`);
    return own;
  };
  return { answer, close: () => Promise.all([ours.close(), peer.close()]) };
}

/** Every case of a setting; gives the peer that won the first. */
async function warm(browser, site, setting) {
  const chosen = casesOf(setting);
  if (!chosen.length) return undefined;
  const opened = [];
  const begin = async (side) => {
    const page = await start(browser, site, side);
    opened.push(page);
    return page;
  };
  let first;
  try {
    let ours;
    try {
      ours = await begin(ourSide(setting));
    } catch (error) {
      // A device that has no such dtype, or a build without threads, says so.
      tell({ case: 'all', ...setting, skipped: String(error.message).split('\n')[0] });
      return undefined;
    }
    if (setting.threads > 1 && ours.info.fallback) {
      tell({ case: 'all', ...setting, skipped: ours.info.fallback });
      return undefined;
    }
    const peers = [];
    for (const side of peerSides(setting)) {
      await begin(side).then((page) => peers.push(page), (error) => {
        console.log(`        ${setting.model}: transformers.js without its ${nameOf(side)}: ${String(error.message).split('\n')[0]}`);
      });
    }
    const reference = setting.dtype === 'int8' ? await references(browser, site, setting) : undefined;
    if (reference) opened.push(reference);
    if (setting.device === 'webgpu') report.environment.adapter = ours.info.name;
    report.environment.peer = peers[0]?.info.version;
    for (const [name, inputs] of chosen) {
      const answers = { ours: planted('ours', await ours.call('answer', inputs)), candidates: [], reference: await reference?.answer(inputs) };
      for (const peer of peers) {
        const answer = await peer.call('answer', inputs).catch(() => ({ data: [], width: 0 }));
        answers.candidates.push({ peer, answer: planted('peer', answer) });
      }
      const verdict = judge(setting.dtype, answers);
      const row = { case: name, ...setting, driver: ours.info.name, kernels: ours.info.kernels, cosine: verdict.own };
      if (verdict.why) {
        tell({ ...row, refused: verdict.why });
        process.exitCode = 1;
        continue;
      }
      const best = await quickest(verdict.right.map(({ peer }) => peer), inputs);
      first ??= best.side;
      const { times, calls } = await rounds({ ours, peer: best }, inputs, asking.rounds);
      const peer_cosine = verdict.right.find(({ peer }) => peer === best).cosine;
      tell({ ...row, ...summary([['peer', times.peer], ['ours', times.ours]]), calls, peer_cosine, peer_side: nameOf(best.side) });
    }
  } finally {
    await Promise.all(opened.map((page) => page.close().catch(() => {})));
  }
  return first;
}

/** Cold starts, peak memory and bytes, beside the graph that won the first case, on the smallest build. */
async function fresh(site, setting, best) {
  if (!asking.cold) return;
  const peer = smallest(best);
  const chosen = casesOf(setting).map(([, inputs]) => inputs);
  const [sides, first] = [{ ours: ourSide(setting), peer }, chosen[0].slice(0, 1)];
  const found = { ours: [], peer: [] };
  for (let round = 0; round < asking.cold; round++) {
    for (const who of round % 2 ? ['peer', 'ours'] : ['ours', 'peer']) found[who].push(await visit(site, sides[who], first));
  }
  const peer_side = nameOf(peer);
  const times = (who) => found[who].map(({ coldMs }) => coldMs);
  if (wanted('cold start')) tell({ case: 'cold start', ...setting, ...summary([['peer', times('peer')], ['ours', times('ours')]]), peer_side });
  const compared = (kind, unit, of, more = {}) => {
    const ratio = of.peer / of.ours;
    const found = { [`ours_${unit}`]: of.ours, [`peer_${unit}`]: of.peer, ratio, ratio_min: ratio, ratio_max: ratio, n: 1 };
    tell({ case: kind, ...setting, ...found, ...more, peer_side });
  };
  if (wanted('peak memory')) {
    // Of all cases but the slowest: what they need grows with the batch, and the largest is not always last.
    const peaks = { ours: await visit(site, sides.ours, first, chosen), peer: await visit(site, sides.peer, first, chosen) };
    // On WebGPU a software adapter's buffers, and the driver's, are in the GPU process.
    const total = (peak) => peak.renderer + (setting.device === 'webgpu' ? peak.gpu : 0);
    if (peaks.ours.peak) compared('peak memory', 'mib', { ours: total(peaks.ours.peak), peer: total(peaks.peer.peak) });
    else tell({ case: 'peak memory', ...setting, skipped: 'only Linux says what processes held' });
  }
  if (wanted('runtime bytes')) {
    const [ours, peers] = [codeBytes(found.ours[0].served), codeBytes(found.peer[0].served)];
    compared('runtime bytes', 'bytes', { ours: ours.total, peer: peers.total }, { files: { ...ours.files, ...peers.files } });
  }
}

/** What looking costs: a page with nothing but us in it, and every look once a round, in turning order. */
async function attention(browser, site, setting) {
  if (INPUTS[setting.model] !== 'image' || !wanted('attention') || given.quick || setting.dtype !== 'f32' || setting.threads > 1) return;
  const page = await start(browser, site, ourSide(setting));
  const inputs = PICTURES.software['1x224'];
  await page.call('checkLooks', inputs);
  const names = ['forward', ...Object.keys(LOOKS)];
  const times = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round < asking.rounds; round++) {
    for (let turn = 0; turn < names.length; turn++) {
      const name = names[(round + turn) % names.length];
      times[name].push(await page.call('timeLook', name, inputs));
    }
  }
  for (const name of names.slice(1)) tell({ case: name, ...setting, ...summary([['ours', times[name]], ['forward', times.forward]]) });
  await page.close();
}

// The browser is closed then: what is told of it afterwards would be no finding.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));
const site = await openSite();
for (const setting of settings) {
  // A browser for each, so that none inherits what another has compiled or kept.
  const browser = await launch();
  try {
    report ??= new Report({ ...given, environment: environment(`Chromium ${browser.version()}`) });
    const peer = await warm(browser, site, setting);
    await attention(browser, site, setting);
    await browser.close();
    if (peer) await fresh(site, setting, peer);
  } catch (error) {
    // The other settings still count.
    tell({ case: 'all', ...setting, refused: String(error.message).split('\n')[0] });
    process.exitCode = 1;
  } finally {
    await browser.close();
  }
}
await site.close();
