/**
 * Whose turn it is. Calls wait in two lanes, each of which does one after the other; bulk work gives way to interactive
 * calls, between its calls and at the checkpoints of each. Small calls that wait for the same are done as one, in the order
 * they came: rows are packed without padding, so that sorting texts by length would spare nothing.
 */
import { mergeKey, mergedSize } from './merge.js';
import type { Request } from './protocol.js';
import type { Priority } from './types.js';

/** A call that waits or runs. */
export interface Job {
  readonly request: Request;
  readonly abort: AbortController;
}

interface Lane {
  readonly waiting: Job[];
  /** What runs; undefined of a lane that rests. */
  running: readonly Job[] | undefined;
}

/** The calls of one engine. */
export class Queue {
  readonly #lanes: Record<Priority, Lane> = {
    interactive: { waiting: [], running: undefined },
    bulk: { waiting: [], running: undefined },
  };
  readonly #run: (jobs: readonly Job[], priority: Priority) => Promise<void>;
  readonly #rested: () => void;
  readonly #room: () => number;
  /** Ends when no interactive call is left. */
  #interactive: Promise<void> = Promise.resolve();

  /**
   * @param run does one call, or as one several that {@link mergeKey} says are alike; never rejects
   * @param rested told when there is nothing more to do
   * @param room the most that calls done as one may have together, as {@link mergedSize} counts
   */
  constructor(run: (jobs: readonly Job[], priority: Priority) => Promise<void>, rested: () => void, room: () => number) {
    this.#run = run;
    this.#rested = rested;
    this.#room = room;
  }

  /** Whether a call runs. */
  get busy(): boolean {
    return Object.values(this.#lanes).some(({ running }) => running);
  }

  /** Takes a call in, and begins with it if its turn has come. */
  add(request: Request): void {
    const priority = priorityOf(request);
    const lane = this.#lanes[priority];
    lane.waiting.push({ request, abort: new AbortController() });
    if (lane.running) return;
    lane.running = [];
    const drained = this.#drain(lane, priority);
    if (priority === 'interactive') this.#interactive = drained;
  }

  /** Aborts the call of this id. Whether it had not begun, and never will. */
  abort(id: number): boolean {
    for (const { waiting, running } of Object.values(this.#lanes)) {
      running?.find(({ request }) => request.id === id)?.abort.abort();
      const at = waiting.findIndex(({ request }) => request.id === id);
      if (at >= 0) return waiting.splice(at, 1).length > 0;
    }
    return false;
  }

  /** Aborts what runs and drops what waits. */
  clear(): void {
    for (const { waiting, running } of Object.values(this.#lanes)) {
      waiting.length = 0;
      for (const { abort } of running ?? []) abort.abort();
    }
  }

  /** Awaited by bulk work before it goes on: until no interactive call is left. What follows in the same turn is alone. */
  async giveWay(): Promise<void> {
    while (this.#lanes.interactive.running) await this.#interactive;
  }

  async #drain(lane: Lane, priority: Priority): Promise<void> {
    for (;;) {
      if (priority === 'bulk') await this.giveWay();
      const jobs = this.#next(lane);
      if (jobs.length === 0) break;
      lane.running = jobs;
      await this.#run(jobs, priority);
    }
    lane.running = undefined;
    if (!this.busy) this.#rested();
  }

  /** The first call that waits, with others that are done as one with it. */
  #next({ waiting }: Lane): Job[] {
    const first = waiting.shift();
    if (!first) return [];
    const jobs = [first];
    const key = mergeKey(first.request);
    if (key === undefined) return jobs;
    let room = this.#room() - mergedSize(first.request);
    for (let at = 0; at < waiting.length; ) {
      const { request } = waiting[at] as Job;
      const fits = mergeKey(request) === key && mergedSize(request) <= room;
      if (!fits) {
        at++;
        continue;
      }
      room -= mergedSize(request);
      jobs.push(...waiting.splice(at, 1));
    }
    return jobs;
  }
}

/** What the caller says; otherwise calls for one input are somebody waiting for an answer, and those for many are not. */
export function priorityOf(request: Request): Priority {
  if (request.priority) return request.priority;
  switch (request.type) {
    case 'embed': return request.texts.length === 1 ? 'interactive' : 'bulk';
    case 'embed-images': return request.images.length === 1 ? 'interactive' : 'bulk';
    case 'index-search': case 'index-facets': case 'poolers': case 'attention': case 'attention-image': case 'neuron':
    case 'neuron-image': case 'explain': case 'explain-image': return 'interactive';
    default: return 'bulk';
  }
}
