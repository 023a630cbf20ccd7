/**
 * Fetching the files of a model: complete or not at all, stopped at any moment, kept for next time. What breaks off goes on
 * where it was.
 */
import { abortedError } from './aborted.js';
import type { FileCache, Kept, Writer } from './cache.js';
import { chunksOf } from './chunks.js';
import { HeatseekError } from './errors.js';
import { type FileSource, type Sink, partsOf, pause, pour, stopIfAborted, verify } from './files.js';
import { UNANSWERED, continues, isBusy, isMissing, isRefused, lengthOf, parseValidator, sumOf, validatorOf, versionOf } from './http.js';
import { Listing } from './listing.js';
import type { Fetch } from './model-source.js';
import type { RemoteSource } from './protocol.js';
import type { Totals } from './totals.js';

/** What a downloader needs. */
export interface DownloaderOptions {
  readonly source: RemoteSource;
  /** Undefined: nothing is kept. */
  readonly cache: FileCache | undefined;
  /** Expected sums by file. */
  readonly sha256: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly totals: Totals;
  /** Told of a file that the browser has no room to keep. */
  readonly cacheFull: (path: string, bytes: number) => void;
  readonly fetch: Fetch;
  /** How often a download is tried again that brings nothing more. */
  readonly retries: number;
  /** The pause before the first of these, in milliseconds; each is twice as long as the one before. */
  readonly pauseMs?: number;
}

const PAUSE_MS = 500;
/** The most that a server may ask to wait. */
const MOST_PAUSE_MS = 30_000;
/** A try that brought so much was none in vain. */
const GAIN_BYTES = 1 << 20;

/** A failure that another try may mend. */
class Transient extends HeatseekError {
  /** How long the server asks to wait. */
  pauseMs = 0;
}

/** A file on its way. */
interface Arriving {
  readonly path: string;
  readonly url: string;
  readonly sink: Sink;
  /** What is in the sink. */
  loaded: number;
  length: number | undefined;
  version: string;
  /** Its SHA-256, where it is known before. */
  sum: string | undefined;
  /** Whether what is in the sink is of any use to another request. */
  resumable: boolean;
  /** Whether what is in the sink came by more requests than one. */
  pieced: boolean;
  writer: Writer | undefined;
}

/** Fetches files of one model. */
export class Downloader implements FileSource {
  readonly #options: DownloaderOptions;
  readonly #listing: Listing;
  /** Whether anything has answered: what never has is more likely a wrong address than a bad network. */
  #answered = false;

  constructor(options: DownloaderOptions) {
    this.#options = options;
    this.#listing = new Listing(options.source.listing, (url) => this.#request(url, 'GET'));
  }

  async file(path: string, sink: Sink): Promise<string | undefined> {
    const { source, cache } = this.#options;
    const url = source.base + partsOf(path).map(encodeURIComponent).join('/');
    const kept = await cache?.find(url);
    if (kept && (source.immutable || (await this.#isCurrent(url, kept)))) {
      if (kept.absent) return `there is no ${url}`;
      if (await this.#fromCache(kept, url, path, sink)) return undefined;
    }
    return this.#fromNetwork(url, path, sink);
  }

  async settle(paths: readonly string[]): Promise<void> {
    this.#options.totals.settle();
    await this.#options.cache?.keepComplete(paths);
  }

  /** Whether the server still has what was kept. A server out of reach has said nothing new. */
  async #isCurrent(url: string, kept: Kept): Promise<boolean> {
    try {
      const response = await this.#request(url, 'HEAD');
      if (isBusy(response)) return true;
      return kept.absent ? isMissing(response) : response.ok && validatorOf(response) === kept.validator;
    } catch (error) {
      if (!(error instanceof Transient)) throw error;
      return true;
    }
  }

  async #fromCache(kept: Kept, url: string, path: string, sink: Sink): Promise<boolean> {
    const { sha256, totals, cache, signal } = this.#options;
    const file = this.#arriving(url, path, sink);
    this.#begin(file, kept.bytes);
    try {
      await this.#pour(readable(kept.chunks()), file);
      if (file.loaded !== kept.bytes) throw new Unreadable();
      await verify(sink, sha256[path], url);
      totals.end(path);
      return true;
    } catch (error) {
      stopIfAborted(signal);
      if (!(error instanceof Unreadable) && !(error instanceof HeatseekError)) throw error;
      await cache?.forget(url);
      return false;
    }
  }

  async #fromNetwork(url: string, path: string, sink: Sink): Promise<string | undefined> {
    const { signal, pauseMs = PAUSE_MS } = this.#options;
    const file = this.#arriving(url, path, sink);
    await this.#takeParts(file);
    let furthest = file.loaded;
    let failures = 0;
    for (;;) {
      try {
        return await this.#attempt(file);
      } catch (error) {
        if (!(error instanceof Transient)) throw error;
        if (file.loaded - furthest >= GAIN_BYTES) failures = 0;
        furthest = Math.max(furthest, file.loaded);
        const retries = this.#answered ? this.#options.retries : Math.min(this.#options.retries, 1);
        if (failures === retries) {
          if (!file.resumable) await file.writer?.discard();
          throw error;
        }
        await pause(Math.max(pauseMs * 2 ** failures, error.pauseMs), signal);
        failures += 1;
      }
    }
  }

  #arriving(url: string, path: string, sink: Sink): Arriving {
    const sum = this.#options.sha256[path];
    return { url, path, sink, sum, loaded: 0, length: undefined, version: '', resumable: false, pieced: false, writer: undefined };
  }

  /** Takes what was kept of an earlier download that broke off. */
  async #takeParts(file: Arriving): Promise<void> {
    const { cache, signal } = this.#options;
    const kept = await cache?.findParts(file.url);
    if (!cache || !kept?.validator) return;
    const { version, length } = parseValidator(kept.validator);
    this.#begin(file, length, file.sum === undefined && this.#listing.expect(length));
    try {
      await this.#pour(readable(kept.chunks()), file);
      file.resumable = file.pieced = file.loaded === kept.bytes;
    } catch (error) {
      stopIfAborted(signal);
      if (!(error instanceof Unreadable)) throw error;
    }
    file.version = version;
    file.writer = await cache.write(file.url, kept, kept.parts);
  }

  /** Asks for a file, or for what is missing of it, once. */
  async #attempt(file: Arriving): Promise<string | undefined> {
    const { url, path } = file;
    const rest = file.resumable && file.loaded > 0;
    const response = await this.#request(url, 'GET', rest ? this.#rangeOf(file) : {});
    if (isMissing(response)) return this.#missing(response, url);
    const goesOn = rest && continues(response, file.loaded, file.version, file.length);
    if (rest && !goesOn && [206, 416].includes(response.status)) {
      await response.body?.cancel();
      file.resumable = false;
      return this.#attempt(file);
    }
    if (!response.ok || (response.status === 206 && !goesOn)) throw refusal(response, url);
    if (goesOn) {
      file.pieced = true;
      file.sum ??= sumOf(response);
    } else {
      await this.#beginAnew(file, response);
    }
    const before = file.loaded;
    try {
      await this.#pour(this.#body(response, file), file);
    } catch (error) {
      // What came was not what was asked for, maybe compressed.
      if (goesOn && file.loaded === before) file.resumable = false;
      throw error;
    }
    if (file.length !== undefined && file.loaded < file.length) {
      throw new Transient('network', `${url} was cut off: ${file.loaded} of ${file.length} bytes arrived`);
    }
    await this.#check(file);
    this.#options.totals.end(path);
    if (file.writer && !(await file.writer.finish())) this.#options.cacheFull(path, file.loaded);
    return undefined;
  }

  async #missing(response: Response, url: string): Promise<string> {
    await response.body?.cancel();
    if (isRefused(response)) {
      return `the server answered ${response.status} for ${url}: it is not there, or only for those that \`headers\` names`;
    }
    await this.#options.cache?.keepAbsence(url);
    return `there is no ${url}`;
  }

  #rangeOf({ loaded, version }: Arriving): Record<string, string> {
    const range = { range: `bytes=${loaded}-` };
    // Another origin would be asked first whether it minds, and may; versions are compared anyway.
    const here = globalThis.location?.origin;
    const own = here === undefined || this.#options.source.base.startsWith(`${here}/`);
    return own && version ? { ...range, 'if-range': version } : range;
  }

  async #beginAnew(file: Arriving, response: Response): Promise<void> {
    const length = lengthOf(response);
    const validator = validatorOf(response);
    file.sum = this.#options.sha256[file.path] ?? sumOf(response);
    file.version = versionOf(response);
    file.pieced = false;
    // A weak validator is of files that mean the same, whatever their bytes.
    file.resumable = length !== undefined && ((file.version !== '' && !file.version.startsWith('W/')) || file.sum !== undefined);
    this.#begin(file, length, file.sum === undefined && this.#listing.expect(length));
    await file.writer?.discard();
    const tag = file.resumable && validator !== undefined ? validator : String(Math.random());
    file.writer = await this.#options.cache?.write(file.url, { tag, ...(validator !== undefined && { validator }) });
  }

  #begin(file: Arriving, length: number | undefined, listed = false): void {
    file.loaded = 0;
    file.length = length;
    file.sink.begin(length, listed || file.sum !== undefined);
    this.#options.totals.begin(file.path, length);
  }

  #pour(chunks: AsyncIterable<Uint8Array<ArrayBuffer>>, file: Arriving): Promise<void> {
    const { signal, totals } = this.#options;
    return pour(chunks, signal, (chunk) => file.sink.append(chunk), (chunk) => {
      file.loaded += chunk.byteLength;
      totals.add(file.path, chunk.byteLength);
      return file.writer?.append(chunk);
    });
  }

  async #check(file: Arriving): Promise<void> {
    try {
      const sum = file.sum ?? (await this.#listing.sumOf(file.path, file.length));
      // Whoever stopped the list stopped the check.
      stopIfAborted(this.#options.signal);
      await verify(file.sink, sum, file.url);
    } catch (error) {
      await file.writer?.discard();
      if (!file.pieced || !(error instanceof HeatseekError)) throw error;
      // The pieces do not fit, whatever the server said of them.
      file.resumable = false;
      throw new Transient(error.code, error.message);
    }
  }

  async #request(url: string, method: 'GET' | 'HEAD', more: Record<string, string> = {}): Promise<Response> {
    const { source, signal, fetch } = this.#options;
    try {
      const response = await fetch(url + source.query, { method, headers: { ...source.headers, ...more }, signal });
      this.#answered = true;
      return response;
    } catch (cause) {
      throw this.#broken(`${url} could not be fetched: ${UNANSWERED}`, cause);
    }
  }

  async *#body(response: Response, file: Arriving): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
    try {
      yield* chunksOf(response.body as ReadableStream<Uint8Array<ArrayBuffer>> | null);
    } catch (cause) {
      throw this.#broken(`${file.url} was cut off after ${file.loaded} bytes`, cause);
    }
  }

  #broken(message: string, cause: unknown): HeatseekError {
    const { signal } = this.#options;
    if (signal.aborted) return abortedError(signal.reason);
    return cause instanceof HeatseekError ? cause : new Transient('network', message, { cause });
  }
}

/** What was kept cannot be read. */
class Unreadable extends Error {}

async function* readable(chunks: AsyncIterable<Uint8Array<ArrayBuffer>>): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  try {
    yield* chunks;
  } catch {
    throw new Unreadable();
  }
}

function refusal(response: Response, url: string): HeatseekError {
  const { status, statusText, headers } = response;
  void response.body?.cancel();
  const message = `${url} could not be fetched: the server answered ${status} ${statusText}`.trimEnd();
  if (!isBusy(response)) return new HeatseekError('network', message);
  const error = new Transient('network', message);
  error.pauseMs = Math.min(Number(headers.get('retry-after')) * 1000 || 0, MOST_PAUSE_MS);
  return error;
}
