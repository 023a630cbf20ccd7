/** From what a caller names a model by to where its files are. */
import { describe, invalid } from './coerce.js';
import { HeatseekError } from './errors.js';
import type { ModelSource } from './protocol.js';

const HUB = 'https://huggingface.co';
// What the hub allows in a name: one part or owner/name, none of them starting with a dot.
const HUB_ID = /^[\w-][\w.-]*(\/[\w-][\w.-]*)?$/;
const COMMIT = /^[0-9a-f]{40}$/;

/**
 * @param model a hub id, a path that starts with `./`, `../` or `/`, or an absolute URL
 * @param revision of a hub id
 * @param document what paths are relative to; undefined where there is no document
 */
export function modelSource(
  model: string | URL,
  revision: string | undefined,
  document: string | undefined,
): ModelSource {
  const isUrl = model instanceof URL;
  if (!isUrl && typeof model !== 'string') {
    throw invalid('model', model, 'a hub id, a path or a URL');
  }
  const isPath = isUrl || /^(\.{0,2}\/|[a-z][a-z\d+.-]*:)/i.test(model);
  if (!isPath) {
    if (!HUB_ID.test(model)) {
      throw invalid('model', model, "a hub id like 'owner/name', a path that starts with './' or '/', or a URL");
    }
    const named = revision ?? 'main';
    return { base: `${HUB}/${model}/resolve/${encodeURIComponent(named)}/`, immutable: COMMIT.test(named) };
  }
  if (revision !== undefined) {
    throw new HeatseekError('invalid_input', `revision is ${describe(revision)}, but only a hub id has revisions`);
  }
  let url: URL;
  try {
    url = new URL(model, document);
  } catch (cause) {
    throw new HeatseekError('invalid_input', `model is ${describe(String(model))}, which is not a URL here`, { cause });
  }
  url.hash = '';
  url.search = '';
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  return { base: url.href, immutable: false };
}
