/** A downloader, a sink that computes sums, and what was told. */
import { createHash } from 'node:crypto';
import { FileCache } from '../src/cache.js';
import { Downloader, type DownloaderOptions } from '../src/download.js';
import type { Sink } from '../src/files.js';
import type { Progress } from '../src/progress.js';
import type { RemoteSource } from '../src/protocol.js';
import { Totals } from '../src/totals.js';

/** Collects a file, and says how often it began. */
export function collector() {
  const state = { begun: 0, chunks: [] as Uint8Array[], length: undefined as number | undefined };
  const bytes = () => Buffer.concat(state.chunks);
  const sink: Sink = {
    begin(length) {
      state.begun += 1;
      state.length = length;
      state.chunks = [];
    },
    append: (chunk) => void state.chunks.push(chunk.slice()),
    sha256: () => createHash('sha256').update(bytes()).digest('hex'),
  };
  return { state, sink, bytes };
}

export interface LoadingOptions extends Partial<Omit<DownloaderOptions, 'source' | 'cache' | 'signal' | 'totals' | 'cacheFull'>> {
  readonly source: Partial<RemoteSource> & { readonly base: string };
  readonly caches?: CacheStorage;
}

export function loading({ source, caches, ...options }: LoadingOptions) {
  const abort = new AbortController();
  const progress: Progress[] = [];
  const full: [string, number][] = [];
  const downloader = new Downloader({
    source: { query: '', immutable: false, ...source },
    cache: caches && new FileCache(source.base, caches),
    sha256: {},
    retries: 4,
    pauseMs: 0,
    fetch: (...args) => fetch(...args),
    ...options,
    signal: abort.signal,
    totals: new Totals((step) => progress.push(step)),
    cacheFull: (path, bytes) => full.push([path, bytes]),
  });
  return { abort, progress, full, downloader, ...collector() };
}
