/** The hub's list of a model's files: it knows the sums of the large ones, which it does not send along with them. */

// Small files are in git, whose sums are others. Those of ten million bytes are never, of less seldom.
const LARGE_BYTES = 1 << 20;

/** Asked for at most once, and only when there is something to check. */
export class Listing {
  readonly #url: string | undefined;
  readonly #request: (url: string) => Promise<Response>;
  #sums: Promise<ReadonlyMap<string, string>> | undefined;

  /** @param url undefined: there is none */
  constructor(url: string | undefined, request: (url: string) => Promise<Response>) {
    this.#url = url;
    this.#request = request;
  }

  /**
   * A file of so many bytes will be asked after.
   * @returns whether its sum may be known
   */
  expect(bytes: number | undefined): boolean {
    if (this.#url === undefined || (bytes ?? 0) < LARGE_BYTES) return false;
    this.#sums ??= this.#fetch(this.#url);
    return true;
  }

  /** The SHA-256 of a file in lower-case hexadecimal, if the hub tells it. */
  async sumOf(path: string, bytes: number | undefined): Promise<string | undefined> {
    return this.expect(bytes) ? (await this.#sums)?.get(path) : undefined;
  }

  async #fetch(url: string): Promise<ReadonlyMap<string, string>> {
    const sums = new Map<string, string>();
    try {
      const response = await this.#request(url);
      const files: unknown = response.ok ? await response.json() : [];
      for (const { path, lfs } of files as { path: string; lfs?: { oid: string } }[]) {
        if (lfs && /^[0-9a-f]{64}$/.test(lfs.oid)) sums.set(path, lfs.oid);
      }
    } catch {
      // A mirror may have no lists. Then there is nothing to compare with, as with any other server.
    }
    return sums;
  }
}
