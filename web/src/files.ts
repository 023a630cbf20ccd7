/** From files to text, with a clear word about each file that cannot be used. */

import type { Problem } from './state.ts';

// Beyond this a browser on a phone takes hours; whole books are well below 5 MB.
const LARGEST_BYTES = 20 * 1024 * 1024;
const EXTENSIONS = ['.txt', '.md', '.markdown', '.text'];

export interface TextFile {
  readonly name: string;
  readonly text: string;
}

/** Reads what can be read; the others are named in `problems`. */
export async function readFiles(files: Iterable<File>): Promise<{ texts: TextFile[]; problems: Problem[] }> {
  const texts: TextFile[] = [];
  const problems: Problem[] = [];
  for (const file of files) {
    const result = await readFile(file);
    if (typeof result === 'string') texts.push({ name: file.name, text: result });
    else problems.push(result);
  }
  return { texts, problems };
}

async function readFile(file: File): Promise<string | Problem> {
  const name = `“${file.name}”`;
  if (!EXTENSIONS.some((extension) => file.name.toLowerCase().endsWith(extension))) {
    return { title: `${name} was skipped`, advice: 'Heatseek reads plain text and Markdown: .txt and .md files.' };
  }
  if (file.size > LARGEST_BYTES) {
    const size = `${Math.round(file.size / 1024 / 1024)} MB`;
    return { title: `${name} is too large`, advice: `It has ${size} and the limit is 20 MB. Split it into parts.` };
  }
  let bytes: ArrayBuffer;
  try {
    bytes = await file.arrayBuffer();
  } catch {
    return { title: `${name} could not be opened`, advice: 'It may have been moved or is a folder. Choose it again.' };
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return { title: `${name} is not UTF-8 text`, advice: 'Save it again with the encoding set to UTF-8. The other files are not affected.' };
  }
  if (text.trim() === '') {
    return { title: `${name} is empty`, advice: 'There is nothing in it to search.' };
  }
  return text;
}
