// What browser.mjs was asked to time. A name that there is not is an error that says which there are: a run without it
// would look as if it had measured it.
import { CASES as PICTURES } from './pictures.mjs';
import { FRESH } from './report.mjs';
import { INPUTS } from './site.mjs';
import { CASES as TEXTS } from './texts.mjs';

const DEVICES = ['webgpu', 'wasm'];
const DTYPES = ['f32', 'int8'];
const SIDES = ['ours', 'peer'];
/** What looking costs, of models of pictures in f32. */
const LOOKING = 'attention';

export const OPTIONS = {
  model: { type: 'string', default: Object.keys(INPUTS).join(',') },
  device: { type: 'string', default: DEVICES.join(',') },
  dtype: { type: 'string', default: DTYPES.join(',') },
  threads: { type: 'string', default: '1,2' },
  cases: { type: 'string' },
  rounds: { type: 'string' },
  cold: { type: 'string' },
  quick: { type: 'boolean', default: false }, // f32, one thread, the first case of each model, few rounds
  full: { type: 'boolean', default: false }, // the larger cases on WebGPU, for machines with a GPU
  out: { type: 'string' },
  keep: { type: 'boolean', default: false },
  json: { type: 'string' },
  plant: { type: 'string' },
};

const listed = (text) => text.split(',').map((word) => word.trim()).filter(Boolean);

/** The names of an option, each of which must be `known`. */
function named(option, text, known) {
  const names = listed(text);
  const other = names.filter((name) => !known.includes(name));
  if (other.length || !names.length) throw new Error(`--${option}: ${other.map((name) => `no ${name} here; `).join('')}there is ${known.join(', ')}`);
  return names;
}

/** The numbers of an option, whole ones from `least` on. */
function numbers(option, text, least) {
  const all = listed(text).map(Number);
  if (!all.length || !all.every((n) => Number.isInteger(n) && n >= least)) throw new Error(`--${option} ${text}: whole numbers from ${least} on`);
  return all;
}

/** The values of OPTIONS as what to do. Throws if there is no such thing. */
export function asked(given) {
  const models = named('model', given.model, Object.keys(INPUTS));
  const devices = named('device', given.device, DEVICES);
  const all = { dtypes: named('dtype', given.dtype, DTYPES), threads: numbers('threads', given.threads, 1) };
  const { dtypes, threads } = given.quick ? { dtypes: ['f32'], threads: [1] } : all;
  if (given.plant !== undefined) named('plant', given.plant, SIDES);
  const settings = models.flatMap((model) => devices.flatMap((device) => dtypes.flatMap((dtype) =>
    // A GPU has no threads of ours.
    (device === 'webgpu' ? [1] : threads).map((n) => ({ model, device, dtype, threads: n })))));

  const calls = ({ model, device }) => {
    const { software, full } = INPUTS[model] === 'text' ? TEXTS : PICTURES;
    return Object.entries(device === 'webgpu' && !given.full ? software : full);
  };
  const callNames = [...new Set(settings.flatMap((setting) => calls(setting).map(([name]) => name)))];
  const looks = !given.quick && dtypes.includes('f32') && models.some((model) => INPUTS[model] === 'image');
  const names = given.cases === undefined ? undefined : named('cases', given.cases, [...callNames, ...FRESH, ...(looks ? [LOOKING] : [])]);
  if (names?.some((name) => FRESH.includes(name)) && !names.some((name) => callNames.includes(name))) {
    throw new Error(`--cases: a first visit is compared with the graph that is the quickest in a call, so name one of ${callNames.join(', ')} too`);
  }
  const wanted = (name) => names?.includes(name) ?? true;
  const [rounds] = numbers('rounds', given.rounds ?? (given.quick ? '3' : '7'), 1);
  const [cold] = numbers('cold', given.cold ?? (given.quick ? '1' : '3'), 0);
  return {
    models, settings, wanted, rounds, cold,
    /** The calls of a setting, `[name, inputs]`. */
    casesOf: (setting) => calls(setting).filter(([name]) => wanted(name)).slice(0, given.quick ? 1 : undefined),
  };
}
