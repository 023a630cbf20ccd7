/** What callers may add to an index, made into one shape. */
import { count, flag, invalid, options as checked } from './coerce.js';
import { isWellFormed, json } from './json.js';
import type { ChunkSettings, IndexedText } from './protocol.js';
import { defined } from './settings.js';
import type { ChunkOptions, Document, DocumentInput, ModelInfo } from './types.js';

// A paragraph or two: enough to mean something, short enough to point at. The native `heatseek` has the same.
const CHUNK = { tokens: 200, overlap: 40 };
// What BERT's tokenizers put around a text: [CLS] and [SEP].
const SPECIAL_TOKENS = 2;

/** A document of an index from what a caller gave; `freeId` names one that came without a name. */
export function coerceDocument(item: DocumentInput, what: string, freeId: () => string): Document {
  if (typeof item === 'string') return { id: freeId(), text: item };
  if (typeof item !== 'object' || item === null) throw invalid(what, item, 'a string or { id?, text, metadata? }');
  const { id, text, metadata } = item;
  if (typeof text !== 'string') throw invalid(`${what}.text`, text, 'a string');
  if (id !== undefined && typeof id !== 'string') throw invalid(`${what}.id`, id, 'a string');
  if (id !== undefined && !isWellFormed(id)) throw invalid(`${what}.id`, id, 'a string without half characters');
  return { id: id ?? freeId(), text, ...(metadata === undefined ? {} : { metadata }) };
}

/** A document as it is posted. Metadata that is not JSON is an error if it is to be kept, and else not seen by filters. */
export function indexed({ id, text, metadata }: Document, what: string, kept: boolean): IndexedText {
  if (metadata === undefined) return { id, text };
  try {
    return { id, text, metadata: json(`${what}.metadata`, metadata) };
  } catch (error) {
    if (kept) throw error;
    return { id, text };
  }
}

/** A document as it was added, from what the engine kept of it. */
export function revived({ id, text, metadata }: IndexedText): Document {
  return { id, text, ...(metadata === undefined ? {} : { metadata: JSON.parse(metadata) as unknown }) };
}

/** How to cut texts for a model. */
export function chunking(given: ChunkOptions | undefined, { maxLength }: ModelInfo): ChunkSettings {
  const { tokens, overlap, characters, sentences, markdown } = checked('chunk', given, [
    'tokens', 'overlap', 'characters', 'sentences', 'markdown',
  ]);
  // Only models of pictures have no limit, and the engine refuses those.
  const longest = Math.max(1, (maxLength ?? 0) - SPECIAL_TOKENS);
  const length = count('chunk.tokens', tokens, 1, Math.min(CHUNK.tokens, longest));
  const limits = defined({
    characters: count('chunk.characters', characters, 1, undefined),
    sentences: count('chunk.sentences', sentences, 1, undefined),
  });
  // Shorter chunks share less, and those that end at sentences nothing: they are asked for whole.
  const share = 'sentences' in limits ? 0 : Math.min(CHUNK.overlap, Math.floor((length * CHUNK.overlap) / CHUNK.tokens));
  const shared = count('chunk.overlap', overlap, 0, share);
  if (shared >= length) throw invalid('chunk.overlap', shared, `less than chunk.tokens, ${length}`);
  return { tokens: length, overlap: shared, markdown: flag('chunk.markdown', markdown, false), ...limits };
}
