/** From what a caller names a model by to where its files are. */
import { describe, invalid } from './coerce.js';
import { HeatseekError } from './errors.js';
import { localSource } from './local-source.js';
import type { PostedSource, RemoteSource } from './protocol.js';

const HUB = 'https://huggingface.co';
// What the hub allows in a name: one part or owner/name, none of them starting with a dot.
const HUB_ID = /^[\w-][\w.-]*(\/[\w-][\w.-]*)?$/;
const COMMIT = /^[0-9a-f]{40}$/;

/** How a model is addressed, beside its name. */
export interface Address {
  readonly revision?: string | undefined;
  readonly hub?: string | URL | undefined;
}

/**
 * Where the files of a model are, and that no option is given that does not go with it.
 * @param document what paths are relative to; undefined where there is no document
 */
export function modelSource(
  model: unknown,
  { revision, hub, headers, fetch }: Address & { readonly headers?: unknown; readonly fetch?: unknown },
  document: string | undefined = here(),
): PostedSource {
  if (typeof model === 'string' || model instanceof URL) return remoteSource(model, { revision, hub }, document);
  const source = localSource(model);
  refuse({ revision, hub, headers, fetch }, "files of the user's are not fetched");
  return source;
}

/** Where the files of a model are that is fetched. */
export function remoteSource(
  model: string | URL,
  { revision, hub }: Address,
  document: string | undefined = here(),
): RemoteSource {
  const isUrl = model instanceof URL || /^(\.{0,2}\/|[a-z][a-z\d+.-]*:)/i.test(model);
  if (isUrl) {
    refuse({ revision, hub }, 'only a hub id has one');
    const { url, query } = folder('model', model, document);
    return { base: url.href, query, immutable: false };
  }
  if (!HUB_ID.test(model)) {
    throw invalid('model', model, "a hub id like 'owner/name', a path that starts with './' or '/', or a URL");
  }
  if (revision === '') throw invalid('revision', revision, 'a branch, a tag or a commit');
  const named = revision ?? 'main';
  const { href } = folder('hub', hub ?? HUB, document).url;
  const at = encodeURIComponent(named);
  return {
    base: `${href}${model}/resolve/${at}/`,
    query: '',
    immutable: COMMIT.test(named),
    listing: `${href}api/models/${model}/tree/${at}?recursive=true`,
  };
}

function refuse(address: object, why: string): void {
  const name = Object.entries(address).find(([, value]) => value !== undefined)?.[0];
  if (name !== undefined) throw new HeatseekError('invalid_input', `${name} is given, but ${why}`);
}

/** The URL of a folder, and the query that came with it. */
function folder(what: string, given: unknown, document: string | undefined): { url: URL; query: string } {
  if (typeof given !== 'string' && !(given instanceof URL)) throw invalid(what, given, 'a URL');
  let url: URL;
  try {
    url = new URL(given, document);
  } catch {
    // Neither a password nor a signature is for messages.
    const shown = String(given).replace(/\/\/[^/]*@|[?#].*/gs, '…');
    throw new HeatseekError('invalid_input', `${what} is ${describe(shown)}, which is not a URL here`);
  }
  if (url.username || url.password) {
    throw new HeatseekError('invalid_input', `${what} is a URL with a user name or password; give it as a header by \`headers\``);
  }
  const query = url.search;
  url.hash = url.search = '';
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  return { url, query };
}

/** What paths are relative to: the page, or the worker that this runs in. */
function here(): string | undefined {
  return globalThis.document?.baseURI ?? globalThis.location?.href;
}
