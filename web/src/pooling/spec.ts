/** A pooler as it is chosen on the page: its name and options, and how these are written. */

import type { Pooling, PoolingName } from 'heatseek';

import { knobsOf } from './knobs.ts';
import type { Knob } from './knobs.ts';

export type Value = number | string;

export interface Spec {
  readonly name: PoolingName;
  /** Values of its knobs by option; only those that were moved. */
  readonly options: Readonly<Record<string, Value>>;
}

/** As the package takes it. */
export function pooling({ name, options }: Spec): Pooling {
  return Object.keys(options).length === 0 ? name : { name, ...options };
}

/** The same for specs that pool alike, and for no others. */
export function keyOf({ name, options }: Spec): string {
  const sorted = Object.entries(options).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([name, ...sorted]);
}

/** What a knob is at. */
export function valueOf({ options }: Spec, { option, initial }: Knob): Value {
  return options[option] ?? initial;
}

/** The spec with one knob turned. A knob at its default is left out, so that there is one way to say it. */
export function turned(spec: Spec, { option, initial }: Knob, value: Value): Spec {
  const { [option]: _, ...others } = spec.options;
  return { ...spec, options: value === initial ? others : { ...others, [option]: value } };
}

/** `gem p=3`: the name, and what its knobs are at. */
export function labelOf(spec: Spec, own: string): string {
  if (spec.name === 'auto') return own;
  const said = knobsOf(spec.name).map((knob) => `${knob.short}=${valueOf(spec, knob)}`);
  return [spec.name, ...said].join(' ');
}
