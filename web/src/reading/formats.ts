/** The kinds of files there are to read, and who reads each: what reads them is fetched when the first such file comes. */

import { decode } from './decode.ts';
import { Refused } from './refused.ts';

/** A piece of a file that is searched by itself: all of it, or a row of a table. */
export interface Part {
  readonly text: string;
  /** What to call it besides the file's name. */
  readonly title?: string;
  /** Where pages begin in `text`, in UTF-16 units; the first is page 1. */
  readonly pages?: readonly number[];
}

type Reader = (bytes: Uint8Array<ArrayBuffer>) => readonly Part[] | Promise<readonly Part[]>;

/** A kind of files. */
export interface Format {
  /** What its files are called, several of them. */
  readonly label: string;
  readonly extensions: readonly string[];
  /** Whether parts are Markdown, and cut as such. */
  readonly markdown: boolean;
  /** Beyond this a browser on a phone takes hours or has no memory left; whole books are well below. */
  readonly most_megabytes: number;
  readonly read: () => Promise<Reader>;
}

const plain: Reader = (bytes) => [{ text: decode(bytes) }];

export const FORMATS = {
  text: { label: 'Text', extensions: ['.txt', '.text'], markdown: false, most_megabytes: 20, read: async () => plain },
  markdown: { label: 'Markdown', extensions: ['.md', '.markdown'], markdown: true, most_megabytes: 20, read: async () => plain },
  html: { label: 'Web pages', extensions: ['.html', '.htm'], markdown: true, most_megabytes: 20, read: async () => (await import('./html.ts')).readHtml },
  pdf: { label: 'PDF', extensions: ['.pdf'], markdown: false, most_megabytes: 200, read: async () => (await import('./pdf.ts')).readPdf },
  docx: { label: 'Word', extensions: ['.docx'], markdown: true, most_megabytes: 50, read: async () => (await import('./docx.ts')).readDocx },
  csv: { label: 'Tables', extensions: ['.csv', '.tsv'], markdown: false, most_megabytes: 20, read: async () => (await import('./csv.ts')).readCsv },
  json: { label: 'JSON', extensions: ['.json'], markdown: false, most_megabytes: 20, read: async () => (await import('./json.ts')).readJson },
  jsonl: { label: 'JSON lines', extensions: ['.jsonl', '.ndjson'], markdown: false, most_megabytes: 20, read: async () => (await import('./json.ts')).readJsonLines },
} as const satisfies Record<string, Format>;

/** A kind of files by name. */
export type FormatName = keyof typeof FORMATS;

/** For `accept` of inputs. */
export const EXTENSIONS = Object.values<Format>(FORMATS).flatMap(({ extensions }) => extensions);

/** What a file is by its name; undefined of one that is not read. */
export function formatOf(name: string): FormatName | undefined {
  const lower = name.toLowerCase();
  return (Object.keys(FORMATS) as FormatName[]).find((format) =>
    (FORMATS[format] as Format).extensions.some((extension) => lower.endsWith(extension)));
}

/**
 * Reads a file.
 *
 * @throws {@link Refused} if it cannot be used
 */
export async function readFile(file: File): Promise<readonly Part[]> {
  const format = formatOf(file.name);
  if (!format) throw new Refused('was skipped', `Heatseek reads ${EXTENSIONS.join(', ')}.`);
  const { most_megabytes, read }: Format = FORMATS[format];
  const megabytes = file.size / 2 ** 20;
  if (megabytes > most_megabytes) {
    throw new Refused('is too large', `It has ${Math.ceil(megabytes)} MB and the limit is ${most_megabytes} MB. Split it into parts.`);
  }
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = new Uint8Array(await file.arrayBuffer());
  } catch {
    throw new Refused('could not be opened', 'It may have been moved or changed. Choose it again.');
  }
  const reader = await fetched(read());
  let parts: readonly Part[];
  try {
    parts = await reader(bytes);
  } catch (error) {
    if (error instanceof Refused) throw error;
    // Whatever a parser says of a damaged file.
    throw new Refused('could not be read', `It may be damaged, or no such file as its name says. (${String(error)})`);
  }
  const filled = parts.filter(({ text }) => text.trim() !== '');
  if (filled.length === 0) throw new Refused('is empty', 'There is no text in it to search.');
  return filled;
}

async function fetched<T>(code: Promise<T>): Promise<T> {
  try {
    return await code;
  } catch {
    throw new Refused('needs a reader that could not be fetched', 'Check your connection, reload the page and add it again.');
  }
}
