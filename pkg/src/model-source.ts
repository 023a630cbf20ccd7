/** What `load` takes a model from, and how it fetches. */

/**
 * Where a model's files are, as the hub has them: `config.json`, `tokenizer.json`, `model.safetensors` and what else the
 * model has.
 * - a hub id, `'sentence-transformers/all-MiniLM-L6-v2'`: fetched from huggingface.co, or from `hub`.
 * - a path, `'./models/all-MiniLM-L6-v2/'`, that starts with `./`, `../` or `/`: a folder, relative to the page. In Node,
 *   Deno and Bun a folder of the machine, relative to the working directory.
 * - an absolute URL of a folder, as a string or a `URL`, outside of browsers also of `file:`. A query, as of a signed URL, is put behind the address of each
 *   file; it is in no cache's key and in no message. A user name and password in it are an `invalid_input` error.
 * - a folder of the user's: the `FileSystemDirectoryHandle` of `showDirectoryPicker()`, of a dropped folder, or of OPFS.
 * - files of the user's: the `FileList` of `<input type=file webkitdirectory>`, or an array of `File`s. The folder they
 *   were picked in is the model's; files without one are known by their names.
 * - files by path, as an object or a `Map`: `{ 'config.json': blob, '1_Pooling/config.json': bytes }`.
 *
 * Anything else is an `invalid_input` error. Files of the user's are read where they are: nothing is sent, nothing kept.
 */
export type ModelSource = string | URL | FileSystemDirectoryHandle | FileList | readonly File[] | ModelFiles;

/** A model's files by path from its folder; parts of a path are separated by `/`. Bytes are copied. */
export type ModelFiles =
  | { readonly [path: string]: Blob | ArrayBuffer | Uint8Array }
  | ReadonlyMap<string, Blob | ArrayBuffer | Uint8Array>;

/** What a fetch of your own is asked; the same as the browser's `fetch` is. */
export interface FetchInit {
  readonly method: 'GET' | 'HEAD';
  /** Those of `headers`, and `range` and `if-range` of a download that goes on. */
  readonly headers: Record<string, string>;
  /** Aborted when nobody wants the answer any more. */
  readonly signal: AbortSignal;
}

/**
 * A fetch of your own. It answers as the browser's would: rejects where there is no answer, which is tried again, and
 * resolves to a `Response` whatever its status; anything else is an `invalid_input` error.
 */
export type Fetch = (url: string, init: FetchInit) => Response | Promise<Response>;

/** Headers of requests, or what gives those for an address: asked before each request, so that a token may be a new one. */
export type RequestHeaders = HeadersInit | ((url: string) => HeadersInit | Promise<HeadersInit>);
