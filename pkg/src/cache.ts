/** Model files kept for next time, in the browser's Cache API. Only complete ones get here. */
const NAME = 'heatseek-models-1';

/** A file kept, and what tells it from a newer one. */
export interface Kept {
  readonly response: Response;
  readonly validator: string | undefined;
}

/** The files kept by this origin; does nothing where there is no Cache API (insecure pages, Node). */
export class FileCache {
  readonly #storage: CacheStorage | undefined;

  constructor(storage: CacheStorage | undefined = globalThis.caches) {
    this.#storage = storage;
  }

  /** The file at `url`, if it is kept. */
  async find(url: string): Promise<Kept | undefined> {
    try {
      const response = await (await this.#storage?.open(NAME))?.match(url);
      return response && { response, validator: response.headers.get('x-heatseek-validator') ?? undefined };
    } catch {
      // Storage that is blocked or broken only means that nothing is kept.
      return undefined;
    }
  }

  /**
   * Keeps a complete file.
   * @returns false if the browser has no room for it
   */
  async keep(url: string, body: Blob, validator: string | undefined): Promise<boolean> {
    const headers = { 'content-length': String(body.size), ...(validator && { 'x-heatseek-validator': validator }) };
    try {
      const cache = await this.#storage?.open(NAME);
      await cache?.put(url, new Response(body, { headers }));
      return true;
    } catch (error) {
      return !(error instanceof Error && error.name === 'QuotaExceededError');
    }
  }

  /** Forgets a file that turned out to be wrong. */
  async forget(url: string): Promise<void> {
    await (await this.#storage?.open(NAME).catch(() => undefined))?.delete(url).catch(() => false);
  }
}

/** What changes when the file that `response` describes changes; undefined if it says nothing of the kind. */
export function validatorOf(response: Response): string | undefined {
  const header = (name: string) => response.headers.get(name) ?? '';
  const validator = [header('etag') || header('last-modified'), header('content-length')].join(' ');
  return validator.trim() || undefined;
}
