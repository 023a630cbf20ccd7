/**
 * What the page knows of a document is in its metadata, so that it is kept, exported and imported with it. It may have
 * been written by anybody: whatever is not as it should be is taken for absent.
 */

import type { Document } from 'heatseek';

import { formatOf, FORMATS } from '../reading/formats.ts';
import type { FormatName, Part } from '../reading/formats.ts';

/** Where text comes from. */
export type Kind = FormatName | 'pasted' | 'sample' | 'other';

/** What kinds are called. */
export function kindLabel(kind: string): string {
  if (kind in FORMATS) return FORMATS[kind as FormatName].label;
  return { pasted: 'Pasted', sample: 'Sample' }[kind] ?? 'Other';
}

/** Tells a file from another version of it. */
export interface Stamp {
  /** Its name, with the folders it is in from the one that was dropped. */
  readonly file: string;
  readonly size_bytes: number;
  /** Milliseconds since 1970. */
  readonly modified: number;
}

/** Metadata of a document that the page added; filters go by `kind`, `folders` and `file`. */
export interface Metadata extends Stamp {
  readonly kind: Kind;
  /** Each folder it is in, from the outermost: `notes`, `notes/2026`. */
  readonly folders: readonly string[];
  /** Which part of the file it is, from 0, and how many there are. */
  readonly part: number;
  readonly parts: number;
  readonly markdown: boolean;
  readonly title?: string;
  readonly pages?: readonly number[];
}

/** A file, a pasted text or the sample: what people add and remove as one thing. */
export interface Source extends Stamp {
  readonly name: string;
  readonly kind: Kind;
  readonly folders: readonly string[];
  readonly markdown: boolean;
  readonly documentIds: readonly string[];
  /** The documents' texts, in the order of their ids. */
  readonly texts: readonly string[];
  /** How many documents it has when all of it is in. */
  readonly parts: number;
  /** Undefined until they have been counted. */
  readonly passages: number | undefined;
}

/** A document to add. */
export interface NewDocument {
  readonly id: string;
  readonly text: string;
  readonly metadata: Metadata;
}

/** The documents that the parts of a file become. No file that is read is named like a part of another. */
export function documentsOf(stamp: Stamp, parts: readonly Part[]): NewDocument[] {
  const { file, size_bytes, modified } = stamp;
  const kind = formatOf(file) ?? 'other';
  const markdown = kind !== 'other' && FORMATS[kind].markdown;
  return parts.map(({ text, title, pages }, part) => ({
    id: parts.length === 1 ? file : `${file}#${part + 1}`,
    text,
    metadata: {
      file, size_bytes, modified, kind, folders: foldersOf(file), part, parts: parts.length, markdown,
      ...(title === undefined ? {} : { title }),
      ...(pages === undefined ? {} : { pages }),
    },
  }));
}

/** Documents that are no file's. */
export function writtenDocuments(name: string, kind: 'pasted' | 'sample', texts: readonly { readonly id?: string; readonly text: string; readonly title?: string }[]): NewDocument[] {
  return texts.map(({ id, text, title }, part) => ({
    id: id ?? name,
    text,
    metadata: {
      file: name, size_bytes: text.length, modified: 0, kind, folders: [], part, parts: texts.length, markdown: false,
      ...(title === undefined ? {} : { title }),
    },
  }));
}

/** `notes/2026/bees.md` is in `notes` and `notes/2026`. */
export function foldersOf(file: string): string[] {
  const names = file.split('/').slice(0, -1);
  return names.map((_, at) => names.slice(0, at + 1).join('/'));
}

/** A document's metadata, or what can be said without. */
export function metadataOf({ id, metadata }: Pick<Document, 'id' | 'metadata'>): Metadata {
  const given = (typeof metadata === 'object' && metadata !== null ? metadata : {}) as Partial<Record<keyof Metadata, unknown>>;
  const { title, pages } = given;
  return {
    file: text(given.file) ?? id,
    size_bytes: number(given.size_bytes) ?? 0,
    modified: number(given.modified) ?? 0,
    kind: (text(given.kind) ?? 'other') as Kind,
    folders: list(given.folders, text) ?? [],
    part: number(given.part) ?? 0,
    parts: number(given.parts) ?? 1,
    markdown: given.markdown === true,
    ...(typeof title === 'string' ? { title } : {}),
    ...(list(pages, number) ? { pages: pages as number[] } : {}),
  };
}

/** Documents by the file they are of. `passages` has how many each has, as far as that is known. */
export function sourcesOf(documents: Iterable<Document>, passages: ReadonlyMap<string, number>): Source[] {
  const found = new Map<string, { metadata: Metadata; documents: Document[] }>();
  for (const document of documents) {
    const metadata = metadataOf(document);
    const source = found.get(metadata.file);
    if (source) source.documents.push(document);
    else found.set(metadata.file, { metadata, documents: [document] });
  }
  return [...found.values()].map(({ metadata, documents: own }) => {
    const { file, size_bytes, modified, kind, folders, markdown, parts } = metadata;
    const counts = own.map(({ id }) => passages.get(id));
    const known = counts.filter((count) => count !== undefined);
    return {
      file, size_bytes, modified, kind, folders, markdown, parts,
      name: file,
      documentIds: own.map(({ id }) => id),
      texts: own.map(({ text: whole }) => whole),
      passages: known.length === counts.length ? known.reduce((sum, count) => sum + count, 0) : undefined,
    };
  });
}

/** What to call a document in a list of results: its title if it is a piece of something, else its file. */
export function documentName(document: Document, passage?: { readonly start: number; readonly end: number }): string {
  const { file, kind, title, pages } = metadataOf(document);
  if (kind === 'sample') return title ?? file;
  return [file, title, pages && passage && pageName(pages, passage)].filter((part) => part !== undefined).join(' · ');
}

function pageName(pages: readonly number[], { start, end }: { readonly start: number; readonly end: number }): string {
  const first = pages.findLastIndex((begin) => begin <= start) + 1;
  const last = pages.findLastIndex((begin) => begin < end) + 1;
  return last > first ? `pages ${first}–${last}` : `page ${first}`;
}

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
const number = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);

function list<T>(value: unknown, element: (item: unknown) => T | undefined): T[] | undefined {
  return Array.isArray(value) && value.every((item) => element(item) !== undefined) ? (value as T[]) : undefined;
}
