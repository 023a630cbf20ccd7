/**
 * Several engines for one model: where threads cannot share memory, calls of many texts are spread over whole workers,
 * each with the model to itself.
 */
import type { Client, Following } from './client.js';
import { HeatseekError } from './errors.js';
import type { Calls, EmbedSettings } from './protocol.js';
import type { Embeddings, Precision, VectorData } from './types.js';

type Embedded = Embeddings<Precision>;
type EmbedArgs = Calls['embed']['args'];

/** What one engine is given at a time: enough to fill its kernels, little enough that all end at about the same time. */
const PART_TEXTS = 32;
const PART_LENGTH = 8192;

/** About as many UTF-16 units as a token has. */
const UNITS_PER_TOKEN = 4;

/** Texts of a call that one engine embeds: their places in the call. */
type Part = readonly number[];

/** A model's first engine, and others that are started when there is something to share. */
export class Fleet {
  /** Serves every call that is not shared. */
  readonly first: Client;
  readonly #start: () => Promise<Client>;
  readonly #count: number;
  #others: Promise<Client | undefined>[] | undefined;
  #ended: HeatseekError | undefined;

  /**
   * @param first has the model
   * @param start starts another engine and loads the model there
   * @param count engines in all, the first one included
   */
  constructor(first: Client, start: () => Promise<Client>, count: number) {
    this.first = first;
    this.#start = start;
    this.#count = count;
  }

  /** As the call `embed` of one engine. `maxLength` is the model's, in tokens. Engines that do not start are done without. */
  embed(args: EmbedArgs, following: Following, maxLength: number): Promise<Embedded> {
    const parts = this.#count > 1 && divisible(args.settings) ? split(args.texts, maxLength * UNITS_PER_TOKEN) : [];
    return parts.length < 2 ? this.first.call('embed', args, following) : this.#share(args, parts, following);
  }

  /** Ends every engine; calls under way reject with `error`. */
  end(error: HeatseekError): void {
    this.#ended = error;
    this.first.end(error);
    for (const other of this.#others ?? []) void other.then((client) => client?.end(error));
  }

  /** One queue of parts, from which each engine takes the next as soon as it has none. */
  async #share({ texts, settings }: EmbedArgs, parts: readonly Part[], { signal, onProgress, priority }: Following): Promise<Embedded> {
    const queue = [...parts];
    const answers = new Map<Part, Embedded>();
    const done = new Map<Part, number>();
    const stop = new AbortController();
    const abort = (): void => stop.abort(signal?.reason);
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort);
    const progress = (part: Part, loaded: number): void => {
      if (loaded <= (done.get(part) ?? 0)) return;
      done.set(part, loaded);
      onProgress?.({ stage: 'embed', loaded: [...done.values()].reduce((sum, n) => sum + n, 0), total: texts.length });
    };
    const answer = (engine: Client, part: Part): Promise<Embedded> =>
      engine.call('embed', { texts: part.map((at) => texts[at] as string), settings }, {
        signal: stop.signal,
        onProgress: ({ loaded }) => progress(part, loaded),
        // A part may be a single text, and is no less part of a call of many.
        priority: priority ?? 'bulk',
      });
    try {
      await new Promise<void>((resolve, reject) => {
        const work = async (engine: Client): Promise<void> => {
          for (let part = queue.shift(); part; part = queue.shift()) {
            try {
              answers.set(part, await answer(engine, part));
            } catch (error) {
              // Another engine that broke is no reason to fail: its part is the first one's.
              if (engine === this.first || !engine.ended || this.#ended) throw error;
              queue.unshift(part);
              return work(this.first);
            }
            progress(part, part.length);
          }
          // Nobody waits for an engine that is still starting when all is done.
          if (answers.size === parts.length) resolve();
        };
        work(this.first).catch(reject);
        for (const other of this.#started()) {
          other.then((client) => (client && !client.ended ? work(client) : undefined)).catch(reject);
        }
      });
    } catch (error) {
      stop.abort();
      throw error;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
    return merged(parts, answers, texts.length);
  }

  #started(): Promise<Client | undefined>[] {
    this.#others ??= Array.from({ length: this.#count - 1 }, async () => {
      try {
        const client = await this.#start();
        if (this.#ended) client.end(this.#ended);
        return client;
      } catch {
        return undefined;
      }
    });
    return this.#others;
  }
}

/** Whether each text's part of the answer is its own: steps over all vectors' range are not, nor are times of parts. */
function divisible({ weights, hidden, timing, precision, ranges }: EmbedSettings): boolean {
  const ranged = precision === 'int8' || precision === 'uint8';
  return !weights && !hidden && !timing && (!ranged || ranges !== undefined);
}

/** Parts of texts that are about as long as each other, the longest first; a text counts `most` units at most. */
function split(texts: readonly string[], most: number): Part[] {
  const length = (at: number): number => Math.min((texts[at] as string).length, most);
  const order = texts.map((_, at) => at).sort((a, b) => length(b) - length(a));
  const parts: number[][] = [];
  let room = 0;
  for (const at of order) {
    let part = parts.at(-1);
    if (!part || part.length === PART_TEXTS || length(at) > room) {
      parts.push((part = []));
      room = PART_LENGTH;
    }
    part.push(at);
    room -= length(at);
  }
  return parts;
}

/** The answer as one engine would have given it. */
function merged(parts: readonly Part[], answers: ReadonlyMap<Part, Embedded>, texts: number): Embedded {
  const found = parts.map((part) => answers.get(part) as Embedded);
  const first = found[0] as Embedded;
  const width = first.shape[1];
  /** Where each text's vectors are: in which answer, from which row, how many. */
  const places = new Array<readonly [Embedded, number, number]>(texts);
  const tokens = new Array<number>(texts);
  const truncated = new Array<boolean>(texts);
  for (const [n, part] of parts.entries()) {
    const answer = found[n] as Embedded;
    let row = 0;
    for (const [i, at] of part.entries()) {
      const rows = answer.counts?.[i] ?? 1;
      places[at] = [answer, row, rows];
      tokens[at] = answer.tokens[i] as number;
      truncated[at] = answer.truncated[i] as boolean;
      row += rows;
    }
  }
  const rows = places.reduce((sum, [, , count]) => sum + count, 0);
  const data = new (first.data.constructor as new (length: number) => VectorData[Precision])(rows * width);
  let row = 0;
  for (const [answer, from, count] of places) {
    data.set(answer.data.subarray(from * width, (from + count) * width), row * width);
    row += count;
  }
  const counts = first.counts && { counts: places.map(([, , count]) => count) };
  const warning = first.warning === undefined ? undefined : { warning: first.warning };
  return { data, shape: [rows, width], tokens, truncated, ...counts, ...warning };
}
