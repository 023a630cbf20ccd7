/** Everything that "Compare pooling" shows, in one object. */

import type { Hit, PoolerInfo } from 'heatseek';

import type { Problem } from '../state.ts';
import type { TextLayout } from '../text/maps.ts';
import { Watched } from '../watched.ts';
import { labelOf } from './spec.ts';
import type { Spec } from './spec.ts';

/** The answer to a question. */
export interface Found {
  readonly question: string;
  /** The pooler's, as it was then. */
  readonly label: string;
  /** Best first, as deep as rankings are compared. */
  readonly hits: readonly Hit[];
  /** The passages of `hits`: see {@link passageOf}. */
  readonly ranking: readonly string[];
}

/** One pooler of the comparison. */
export interface Column {
  /** Another for every pooler added. */
  readonly id: number;
  readonly spec: Spec;
  /** What was found last; none before the first time. It may be of an earlier question or of other options. */
  readonly found: Found | undefined;
  /** How much of the corpus is embedded, from 0 to 1; nothing while nothing is. */
  readonly share: number | undefined;
  /** Why it has no answer. */
  readonly problem: Problem | undefined;
}

/** What one pooler makes of each token of a text. */
export interface Weighed {
  readonly layout: TextLayout;
  /** A row of T weights for each vector, row-major; absent where tokens have none. */
  readonly weights: Float32Array | undefined;
}

export interface CompareState {
  /** Those there are; empty before the model told. */
  readonly poolers: readonly PoolerInfo[];
  readonly columns: readonly Column[];
  readonly question: string;
  /** Hits shown of each column. */
  readonly k: number;
  /** The passage whose lines are drawn strong, and whose tokens are weighed. */
  readonly chosen: Hit | undefined;
  /** Weights by text and label of the pooler: see {@link weighedKey}. */
  readonly weighed: ReadonlyMap<string, Weighed>;
  /** Whether work was stopped; it goes on when asked to. */
  readonly stopped: boolean;
}

/** Whether a column shows what it should: the answer to this question by the pooler as it is now. */
export function isCurrent({ spec, found }: Column, question: string): boolean {
  return found !== undefined && found.question === question && found.label === labelOf(spec);
}

/** A passage among others: its document and where it begins. */
export function passageOf({ id, chunk }: Hit): string {
  return `${id}@${chunk.start}`;
}

export function weighedKey(label: string, text: string): string {
  return `${label}\n${text}`;
}

export class CompareStore extends Watched<CompareState> {
  constructor() {
    super({
      poolers: [], columns: [], question: '', k: 10, chosen: undefined, weighed: new Map(), stopped: false,
    });
  }

  /** Changes one column, if it is still there. */
  change(id: number, change: Partial<Omit<Column, 'id'>>): void {
    const columns = this.state.columns.map((column) => (column.id === id ? { ...column, ...change } : column));
    this.update({ columns });
  }
}
