// The ratios of a report as bars with whiskers, on a logarithmic scale: as far to the right of 1 as we are ahead.
import { spread } from './report.mjs';

const WIDTH = 860;
const LABELS = 240;
const NUMBERS = 130;
const ROW = 20;
const GROUP = 34;
const TOP = 64;

const STYLE = `
  svg { --paper: #faf7f2; --ink: #221c17; --soft: #6b6058; --line: #e2d9cd; --ahead: #b4400f; --behind: #3f7693; --whisker: #221c17; }
  @media (prefers-color-scheme: dark) {
    svg { --paper: #171310; --ink: #ece4da; --soft: #a89b8e; --line: #362e27; --ahead: #ff9459; --behind: #6fb1d4; --whisker: #ece4da; }
  }
  text { font: 12px -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif; fill: var(--ink); }
  .title { font-size: 15px; font-weight: 600; } .group { font-weight: 600; } .soft { fill: var(--soft); }
  .number { text-anchor: end; font-variant-numeric: tabular-nums; } .tick { text-anchor: middle; fill: var(--soft); }
  .paper { fill: var(--paper); } .ahead { fill: var(--ahead); } .behind { fill: var(--behind); }
  .grid { stroke: var(--line); } .one { stroke: var(--soft); stroke-width: 1.5; } .whisker { stroke: var(--whisker); stroke-width: 1.5; fill: none; } .halo { stroke: var(--paper); stroke-width: 4; fill: none; }`;

const escaped = (text) => String(text).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
const text = (x, y, kind, value) => `<text x="${x}" y="${y}" class="${kind}">${escaped(value)}</text>`;

/** A chart of the rows that compare us with transformers.js, grouped by model and setting. */
export function chart(about, rows) {
  const shown = rows.filter((row) => row.ratio !== undefined && row.forward_ms === undefined);
  const groups = new Map();
  for (const row of shown) {
    const name = [row.model, row.device, row.dtype, row.device === 'wasm' && `${row.threads} thread${row.threads > 1 ? 's' : ''}`].filter(Boolean).join(' · ');
    groups.set(name, [...(groups.get(name) ?? []), row]);
  }
  const [least, most] = scale(shown);
  const x = (ratio) => LABELS + ((Math.log2(ratio) - least) / (most - least)) * (WIDTH - LABELS - NUMBERS);
  const bars = [];
  let y = TOP;
  for (const [name, group] of groups) {
    y += GROUP;
    bars.push(text(16, y - 8, 'group', name));
    for (const row of group) bars.push(...bar(row, (y += ROW) - ROW, x));
  }
  const height = y + 44;
  const ticks = Array.from({ length: most - least + 1 }, (_, i) => 2 ** (least + i)).flatMap((ratio) => [
    `<line x1="${x(ratio)}" x2="${x(ratio)}" y1="${TOP}" y2="${height - 36}" class="${ratio === 1 ? 'one' : 'grid'}"/>`,
    text(x(ratio), height - 18, 'tick', ratio === 1 ? 'equal' : `${ratio < 1 ? `1/${1 / ratio}` : ratio}×`),
  ]);
  const where = `${about.cores} cores of ${about.cpu}, ${about.browser}${about.adapter ? `, WebGPU on ${about.adapter}` : ''}, ${about.date.slice(0, 10)}, ${about.commit}`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="Ratios of transformers.js to Heatseek">
<style>${STYLE}
</style>
<rect width="100%" height="100%" class="paper"/>
${text(16, 26, 'title', `transformers.js ${about.peer ?? ''} over Heatseek: times of calls, of a cold start, memory and bytes`)}
${text(16, 46, 'soft', where)}
${[...ticks, ...bars].join('\n')}
</svg>
`;
}

/** Whole powers of two around every whisker, and 1. */
function scale(rows) {
  const all = rows.flatMap((row) => [row.ratio_min, row.ratio_max, 1]).filter((ratio) => ratio > 0).map(Math.log2);
  const [least, most] = [Math.floor(Math.min(0, ...all)), Math.ceil(Math.max(1, ...all))];
  return [least, most];
}

function bar(row, y, x) {
  const middle = y + ROW / 2;
  const [from, to] = [x(1), x(row.ratio)].sort((a, b) => a - b);
  const drawn = [
    text(28, middle + 4, 'case', row.case),
    `<rect x="${from}" y="${y + 4}" width="${Math.max(1, to - from)}" height="${ROW - 8}" rx="2" class="${row.ratio < 1 ? 'behind' : 'ahead'}"/>`,
    text(WIDTH - 16, middle + 4, 'number', spread(row)),
  ];
  if (row.n > 1) {
    const [a, b] = [x(row.ratio_min), x(row.ratio_max)];
    const d = `M${a} ${middle - 4}v8M${a} ${middle}H${b}M${b} ${middle - 4}v8`;
    // The halo keeps it visible on the bar, in both themes.
    drawn.push(`<path d="${d}" class="halo"/><path d="${d}" class="whisker"/>`);
  }
  return drawn;
}
