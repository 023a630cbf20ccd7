// What browser.mjs found, as JSON, as a table in Markdown and as a chart. Written anew after every row, so that a run that
// is stopped leaves what it had.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, type } from 'node:os';
import { join } from 'node:path';
import { chart } from './chart.mjs';
import { ROOT } from './site.mjs';

const git = (...args) => execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).trim();

/** The machine, the versions, and when. */
export function environment(browser) {
  return {
    date: new Date().toISOString(), commit: git('rev-parse', '--short', 'HEAD'), modified: git('status', '--porcelain', '-uno') !== '',
    cpu: cpus()[0]?.model, cores: cpus().length, system: `${type()} ${release()}`, load: loadavg()[0], node: process.version, browser,
    command: process.argv.slice(2).join(' '),
  };
}

/** What rows of two runs must have in common to stand in one table. A row of another commit than the first says which. */
const SAME = ['modified', 'cpu', 'cores', 'system', 'node', 'browser'];

/** What a row is about: measured again, it takes the place of the earlier one. */
const about = ({ model, case: name, device, dtype, threads }) => JSON.stringify([model, name, device, dtype, threads]);

/** The file or folder a run writes to; with `keep` it goes on with the rows that the folder has. */
export class Report {
  #out;
  #rows = [];
  #commit;

  constructor({ out, json, keep, environment }) {
    this.#out = { out, json };
    this.environment = environment;
    this.#commit = environment.commit;
    if (!out) return;
    mkdirSync(out, { recursive: true });
    const file = join(out, 'report.json');
    if (!keep || !existsSync(file)) return;
    const earlier = JSON.parse(readFileSync(file, 'utf8'));
    const other = SAME.find((name) => earlier.environment[name] !== environment[name]);
    if (other) throw new Error(`--keep: ${file} is of ${other} ${earlier.environment[other]}, this run of ${environment[other]}`);
    this.#rows = earlier.rows;
    this.environment = { ...earlier.environment, command: `${earlier.environment.command}; ${environment.command}` };
  }

  get rows() {
    return this.#rows;
  }

  add(measured) {
    const row = this.#commit === this.environment.commit ? measured : { ...measured, commit: this.#commit };
    const known = this.#rows.findIndex((other) => about(other) === about(row));
    this.#rows.splice(known < 0 ? this.#rows.length : known, known < 0 ? 0 : 1, row);
    const data = JSON.stringify({ environment: this.environment, rows: this.#rows }, null, 2);
    const { out, json } = this.#out;
    if (json) writeFileSync(json, data);
    if (!out) return;
    writeFileSync(join(out, 'report.json'), data);
    writeFileSync(join(out, 'report.md'), markdown(this.environment, this.#rows));
    writeFileSync(join(out, 'summary.md'), summarised(this.environment, this.#rows));
    writeFileSync(join(out, 'report.svg'), chart(this.environment, this.#rows));
  }
}

const UNITS = { ms: ['ms', 1], mib: ['MiB', 1], bytes: ['kB', 1e-3] };

/** The two figures of a row and their unit. */
export function figures(row) {
  for (const [key, [unit, factor]] of Object.entries(UNITS)) {
    if (row[`ours_${key}`] === undefined) continue;
    const other = row[`peer_${key}`] === undefined ? 'forward' : 'peer';
    return { ours: row[`ours_${key}`] * factor, other: row[`${other}_${key}`] * factor, unit, against: other };
  }
  return undefined;
}

export const number = (value) => (value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3));

/** `2.43 [2.15, 2.47]`. */
export const spread = ({ ratio, ratio_min: least, ratio_max: most, n }) =>
  (n > 1 ? `${ratio.toFixed(2)} [${least.toFixed(2)}, ${most.toFixed(2)}]` : ratio.toFixed(2));

const cells = (row) => {
  const at = [row.model, row.case, row.device, row.dtype, row.threads];
  const found = figures(row);
  if (!found) return [...at, '', '', '', row.refused ?? `not run: ${row.skipped}`];
  const unit = (value) => `${number(value)} ${found.unit}`;
  const ratio = found.against === 'peer' && row.ratio < 1 ? `**${spread(row)}**` : spread(row);
  const cosines = [row.cosine && `ours ${row.cosine.toFixed(row.dtype === 'int8' ? 4 : 6)}`, row.peer_cosine && `peer ${row.peer_cosine.toFixed(4)}`];
  const notes = [found.against === 'forward' && 'beside our own plain pass', row.peer_side, row.dtype === 'int8' && cosines.filter(Boolean).join(', '), row.commit && `at ${row.commit}`];
  return [...at, unit(found.ours), unit(found.other), ratio, notes.filter(Boolean).join('; ')];
};

const line = (values) => `| ${values.join(' | ')} |`;

/** Where and when, and how to read it. */
function heading(about) {
  const versions = [about.browser, about.peer && `transformers.js ${about.peer}`, about.adapter && `WebGPU on ${about.adapter}`].filter(Boolean);
  return [
    `${about.date.slice(0, 10)}, commit ${about.commit}${about.modified ? ' with changes' : ''}, ${about.cores} cores of ${about.cpu}, ${about.system}; ${versions.join(', ')}.`,
    'Medians; a ratio is theirs over ours, the median of the rounds with the least and the most: above 1 we are ahead, bold where we are behind.',
    ...(about.load > about.cores / 2 ? [`The machine was busy when this began (load ${about.load.toFixed(1)}): times of one side are too long, ratios are within rounds.`] : []),
    '',
  ];
}

/** The table, with the machine named. */
export function markdown(about, rows) {
  const head = ['model', 'case', 'device', 'dtype', 'threads', 'Heatseek', 'transformers.js', 'ratio', ''];
  return `${[
    ...heading(about),
    line(head), line(['---', '---', '---', '---', '---:', '---:', '---:', '---:', '---']),
    ...rows.map((row) => line(cells(row))),
  ].join('\n')}\n`;
}

/** What a first visit costs. */
export const FRESH = ['cold start', 'peak memory', 'runtime bytes'];

/** One line for each model and setting: how the ratios of its calls spread over the cases, and what a first visit costs. */
export function summarised(about, rows) {
  const settings = new Map();
  for (const row of rows.filter(({ ratio, forward_ms: forward }) => ratio !== undefined && forward === undefined)) {
    const key = [row.model, row.device, row.dtype, row.threads].join(' | ');
    settings.set(key, [...(settings.get(key) ?? []), row]);
  }
  const times = (ratio) => `${ratio.toFixed(2)}x`;
  const lines = [...settings].map(([key, all]) => {
    const calls = all.filter((row) => !FRESH.includes(row.case)).sort((a, b) => a.ratio - b.ratio);
    const said = calls.map(({ case: name, ratio }) => `${times(ratio)} (${name})`);
    const range = said.length > 1 ? `${said[0]} to ${said.at(-1)}` : (said[0] ?? '');
    const fresh = FRESH.map((name) => all.find((row) => row.case === name)).map((row) => (row ? times(row.ratio) : ''));
    return line([key, range, ...fresh]);
  });
  const head = ['model', 'device', 'dtype', 'threads', 'calls, least and most', ...FRESH];
  return `${[...heading(about), line(head), line(['---', '---', '---', '---:', '---', '---:', '---:', '---:']), ...lines].join('\n')}\n`;
}
