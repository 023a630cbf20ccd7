/** A pooler as it is chosen on the page: its name and options, and how these are written. */

import type { Pooling, PoolingName } from 'heatseek';

import { written } from './knobs.ts';
import type { Knob, Value } from './knobs.ts';

export interface Spec {
  readonly name: PoolingName;
  /** Only options whose knobs are not at their default. */
  readonly options: Readonly<Record<string, Value>>;
}

/** As the package takes it. */
export function poolingOf({ name, options }: Spec): Pooling {
  return Object.keys(options).length === 0 ? name : { name, ...options };
}

/** The same for specs that pool alike, and for no others: `gem`, `gem p=3`. People can read it. */
export function labelOf({ name, options }: Spec): string {
  const said = Object.entries(options).sort(([a], [b]) => (a < b ? -1 : 1));
  return [name, ...said.map(([option, value]) => `${option}=${written(value)}`)].join(' ');
}

/** What a knob is at. */
export function valueOf({ options }: Spec, { option, initial }: Knob): Value {
  return options[option] ?? initial;
}

/** The spec with one knob turned. One at its default is left out, so that there is one way to say it. */
export function turned(spec: Spec, { option, initial }: Knob, value: Value): Spec {
  const { [option]: _, ...others } = spec.options;
  return { ...spec, options: written(value) === written(initial) ? others : { ...others, [option]: value } };
}
