/** Fetching a model's files before the engine runs that says which it wants: the guess is right of nearly every model. */
import type { FileSource, Sink } from './files.js';

/**
 * What is asked for at once: what the engine wants of a model that it knows nothing of yet, small files first, and the
 * weights as most models have them. A file that is not there costs a request that would have been made anyway, but for
 * weights that are elsewhere.
 */
export const GUESSES = [
  'modules.json', 'config_sentence_transformers.json',
  'config.json', 'tokenizer.json', 'tokenizer_config.json', 'sentence_bert_config.json',
  'model.safetensors',
] as const;

/** Most bytes of a file that wait for the engine; then its download does. */
const MOST_WAITING_BYTES = 32 << 20;

/** Files on their way, each until it is wanted. */
export class Early {
  readonly #files = new Map<string, { readonly sink: WaitingSink; readonly fetched: Promise<string | undefined> }>();

  constructor(files: FileSource, paths: readonly string[] = GUESSES) {
    for (const path of paths) {
      const sink = new WaitingSink();
      const fetched = files.file(path, sink);
      // Told to who wants the file; of one that nobody wants nobody needs to know.
      fetched.catch(() => {});
      this.#files.set(path, { sink, fetched });
    }
  }

  /**
   * Has what has come and what is to come of a file go into `sink`, once.
   * @returns as {@link FileSource.file}; no promise of a file that is not on its way
   */
  take(path: string, sink: Sink): Promise<string | undefined> | undefined {
    const file = this.#files.get(path);
    this.#files.delete(path);
    return file && Promise.all([file.fetched, file.sink.passOn(sink)]).then(([missing]) => missing);
  }
}

/** Keeps what arrives until there is a sink to pass it on to. */
class WaitingSink implements Sink {
  #to: Sink | undefined;
  #begun: Parameters<Sink['begin']> | undefined;
  #chunks: Uint8Array<ArrayBuffer>[] = [];
  #bytes = 0;
  #wanted!: () => void;
  readonly #passedOn = new Promise<void>((resolve) => { this.#wanted = resolve; });

  begin(...begun: Parameters<Sink['begin']>): void {
    this.#to?.begin(...begun);
    this.#begun = begun;
    this.#chunks = [];
    this.#bytes = 0;
  }

  append(chunk: Uint8Array<ArrayBuffer>): void | Promise<void> {
    if (this.#to) return this.#to.append(chunk);
    this.#chunks.push(chunk.slice());
    this.#bytes += chunk.byteLength;
    return this.#bytes < MOST_WAITING_BYTES ? undefined : this.#passedOn;
  }

  async sha256(): Promise<string> {
    await this.#passedOn;
    // There is one by now.
    return this.#to!.sha256();
  }

  async passOn(to: Sink): Promise<void> {
    try {
      if (this.#begun) to.begin(...this.#begun);
      for (const chunk of this.#chunks) to.append(chunk);
    } finally {
      this.#chunks = [];
      this.#to = to;
      this.#wanted();
    }
  }
}
