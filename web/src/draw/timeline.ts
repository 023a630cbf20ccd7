/** Steps of a start, as bars below each other: when each began and how long it took. */

import type { LoadStep } from 'heatseek';

import { el } from '../dom.ts';
import { milliseconds } from '../speed/stats.ts';

export interface Step {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

/** What a step of a load is, in words. */
export const STEPS: Readonly<Record<LoadStep, string>> = {
  worker: 'Start the worker',
  runtime: 'Fetch and compile the engine',
  configuration: 'Fetch configuration and tokenizer',
  weights: 'Fetch the weights',
  tokenizer: 'Read the tokenizer',
  device: 'Open the GPU',
  compile: 'Compile its kernels',
  read: 'Read and check the weights',
  prepare: 'Make the device ready',
  upload: 'Hand the weights to the GPU',
  'self-check': 'First dispatch, with the CPU beside it',
  tune: 'Measuring kernels',
};

/** A list that is read as what it says; the bars are of `total` milliseconds. */
export function timeline(steps: readonly Step[], total: number): HTMLElement {
  const rows = steps.map(({ name, start, end }) => {
    const bar = el('span', { class: 'span', 'aria-hidden': 'true' });
    bar.style.setProperty('--from', String(start / total));
    bar.style.setProperty('--to', String(Math.max(end, start) / total));
    return el('li', {}, el('span', { class: 'step' }, name), el('span', { class: 'amount' }, milliseconds(end - start)), el('span', { class: 'track' }, bar));
  });
  return el('ol', { class: 'timeline', 'data-testid': 'timeline' }, ...rows);
}
