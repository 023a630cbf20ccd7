/** Fetching the files of a model: complete or not at all, stopped at any moment, kept for next time. */
import { type FileCache, validatorOf } from './cache.js';
import { HeatseekError, abortedError } from './errors.js';
import type { Progress } from './progress.js';
import type { ModelSource } from './protocol.js';

/** Where the bytes of one file go as they arrive. */
export interface Sink {
  /** A file of `length` bytes begins, or begins anew; undefined if nobody knows how long it is. */
  begin(length: number | undefined): void;
  /** The next bytes; a promise has the download wait. */
  append(chunk: Uint8Array<ArrayBuffer>): void | Promise<void>;
  /** The SHA-256 of what has been appended, in lower-case hexadecimal. */
  sha256(): string | Promise<string>;
}

/** What a downloader needs. */
export interface DownloaderOptions {
  readonly source: ModelSource;
  /** Undefined: nothing is kept. */
  readonly cache: FileCache | undefined;
  /** Expected sums by file. */
  readonly sha256: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly progress: (progress: Progress) => void;
  readonly fetch?: typeof fetch;
}

// Progress is told a hundred times a load and at the end of every file, not for each of thousands of chunks.
const PROGRESS_STEPS = 100;

/** A failure that a second try may mend. */
class Transient extends HeatseekError {}

/** Fetches files of one model. */
export class Downloader {
  readonly #options: DownloaderOptions;
  readonly #fetch: typeof fetch;
  readonly #sizes = new Map<string, { loaded: number; total: number }>();
  #told = 0;

  constructor(options: DownloaderOptions) {
    this.#options = options;
    this.#fetch = options.fetch ?? ((...args) => globalThis.fetch(...args));
  }

  /**
   * Fetches a file into `sink`, or takes the one kept.
   * @returns false if there is no such file
   */
  async file(path: string, sink: Sink): Promise<boolean> {
    const url = new URL(path, this.#options.source.base).href;
    if (await this.#fromCache(url, path, sink)) return true;
    try {
      return await this.#fromNetwork(url, path, sink);
    } catch (error) {
      if (!(error instanceof Transient)) throw error;
      return this.#fromNetwork(url, path, sink);
    }
  }

  async #fromCache(url: string, path: string, sink: Sink): Promise<boolean> {
    const { cache, source } = this.#options;
    const kept = await cache?.find(url);
    if (!cache || !kept) return false;
    if (!source.immutable && !(await this.#isCurrent(url, kept.validator))) return false;
    try {
      await this.#receive(kept.response, path, url, sink);
      return true;
    } catch (error) {
      if (this.#options.signal.aborted) throw error;
      await cache.forget(url);
      return false;
    }
  }

  /** Whether the server still has the file that was kept. A server out of reach has said nothing new. */
  async #isCurrent(url: string, validator: string | undefined): Promise<boolean> {
    try {
      const response = await this.#request(url, 'HEAD');
      return response.ok && validatorOf(response) === validator;
    } catch (error) {
      if (error instanceof HeatseekError && error.code === 'aborted') throw error;
      return true;
    }
  }

  async #fromNetwork(url: string, path: string, sink: Sink): Promise<boolean> {
    const response = await this.#request(url, 'GET');
    if (isMissing(response)) {
      await response.body?.cancel();
      return false;
    }
    if (!response.ok) {
      const message = `${url} could not be fetched: the server answered ${response.status} ${response.statusText}`;
      const again = response.status >= 500 || response.status === 429;
      throw new (again ? Transient : HeatseekError)('network', message.trimEnd());
    }
    const body = await this.#receive(response, path, url, sink);
    const { cache, progress } = this.#options;
    if (cache && !(await cache.keep(url, body, validatorOf(response)))) {
      progress({ stage: 'cache-full', loaded: 0, total: body.size, file: path });
    }
    return true;
  }

  async #request(url: string, method: 'GET' | 'HEAD'): Promise<Response> {
    try {
      return await this.#fetch(url, { method, signal: this.#options.signal });
    } catch (cause) {
      throw this.#broken(`${url} could not be fetched: no answer; check the address, the network and CORS`, cause);
    }
  }

  /** Streams a body into `sink`, and checks that it is whole and the right one. */
  async #receive(response: Response, path: string, url: string, sink: Sink): Promise<Blob> {
    const encoded = response.headers.has('content-encoding');
    const length = encoded ? undefined : Number(response.headers.get('content-length') ?? NaN) || undefined;
    const size = { loaded: 0, total: length ?? 0 };
    this.#sizes.set(path, size);
    sink.begin(length);
    // Kept as blobs, which browsers hold outside of the script's memory.
    const parts: Blob[] = [];
    const reader = (response.body as ReadableStream<Uint8Array<ArrayBuffer>> | null)?.getReader();
    try {
      for (;;) {
        const { done, value } = (await reader?.read()) ?? { done: true };
        if (done) break;
        this.#stopIfAborted();
        const full = sink.append(value);
        if (full) await full;
        if (this.#options.cache) parts.push(new Blob([value]));
        size.loaded += value.byteLength;
        size.total = Math.max(size.total, size.loaded);
        this.#tell(path, false);
      }
    } catch (cause) {
      await reader?.cancel().catch(() => {});
      if (cause instanceof HeatseekError || this.#isOwn(cause)) throw cause;
      throw this.#broken(`${url} was cut off after ${size.loaded} bytes`, cause);
    }
    if (length !== undefined && size.loaded < length) {
      throw new Transient('network', `${url} was cut off: ${size.loaded} of ${length} bytes arrived`);
    }
    await this.#verify(response, path, url, sink);
    this.#tell(path, true);
    return new Blob(parts);
  }

  async #verify(response: Response, path: string, url: string, sink: Sink): Promise<void> {
    // Hugging Face's name for the SHA-256 of a large file, where the server lets scripts see it.
    const linked = response.headers.get('x-linked-etag')?.replaceAll('"', '');
    const expected = this.#options.sha256[path] ?? (linked && /^[0-9a-f]{64}$/.test(linked) ? linked : undefined);
    if (expected === undefined) return;
    const actual = await sink.sha256();
    if (actual !== expected) {
      throw new HeatseekError('model_invalid', `${url} has SHA-256 ${actual}, not ${expected}: it is another file`);
    }
  }

  /** Whether an error came from the sink, as plain data with a code: no server's fault. */
  #isOwn(cause: unknown): boolean {
    return typeof cause === 'object' && cause !== null && !(cause instanceof Error) && 'code' in cause;
  }

  #broken(message: string, cause: unknown): HeatseekError {
    const { signal } = this.#options;
    return signal.aborted ? abortedError(signal.reason) : new Transient('network', message, { cause });
  }

  #stopIfAborted(): void {
    const { signal } = this.#options;
    if (signal.aborted) throw abortedError(signal.reason);
  }

  #tell(file: string, complete: boolean): void {
    let loaded = 0;
    let total = 0;
    for (const size of this.#sizes.values()) {
      loaded += size.loaded;
      total += size.total;
    }
    if (!complete && loaded - this.#told < total / PROGRESS_STEPS) return;
    // A second try starts its file anew; what was told does not fall.
    this.#told = Math.max(this.#told, loaded);
    this.#options.progress({ stage: 'download', loaded: this.#told, total: Math.max(total, this.#told), file });
  }
}

/**
 * Whether a response says that there is no such file. Storage services answer 401 or 403 for what may not be listed.
 * Servers of single-page apps answer every unknown path with their page, which is no file of a model.
 */
function isMissing(response: Response): boolean {
  if ([401, 403, 404, 410].includes(response.status)) return true;
  return response.ok && /^text\/html\b/.test(response.headers.get('content-type') ?? '');
}
