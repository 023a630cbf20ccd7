/** PDF files to text, by Mozilla's pdf.js in a worker of its own. Scripts in them are not run, and fonts not loaded. */

import { getDocument, GlobalWorkerOptions } from 'pdfjs-dist/legacy/build/pdf.mjs';
import workerSrc from 'pdfjs-dist/legacy/build/pdf.worker.min.mjs?url';

import type { Part } from './formats.ts';
import { paragraphs } from './pdf-lines.ts';
import { Refused } from './refused.ts';

GlobalWorkerOptions.workerSrc = workerSrc;

/** The text of all pages, and where each begins. */
export async function readPdf(bytes: Uint8Array<ArrayBuffer>): Promise<Part[]> {
  const loading = getDocument({
    data: bytes,
    // How Chinese, Japanese and Korean fonts number their characters; offline.ts puts them there.
    cMapUrl: new URL('cmaps/', document.baseURI).href,
    disableFontFace: true,
    useSystemFonts: false,
    useWasm: false,
    verbosity: 0,
  });
  try {
    const pdf = await loading.promise;
    let text = '';
    const pages: number[] = [];
    for (let number = 1; number <= pdf.numPages; number++) {
      const page = await pdf.getPage(number);
      const { items } = await page.getTextContent();
      if (text !== '') text += '\n\n';
      pages.push(text.length);
      text += paragraphs(items.flatMap((item) => ('str' in item ? [item] : [])));
      page.cleanup();
    }
    if (text.trim() === '') {
      throw new Refused('has no text in it', 'Its pages may be pictures of text. A program for text recognition (OCR) can make it searchable.');
    }
    const { info } = await pdf.getMetadata().catch(() => ({ info: {} }));
    const title = (info as { Title?: unknown }).Title;
    return [{ text, pages, ...(typeof title === 'string' && title.trim() !== '' ? { title: title.trim() } : {}) }];
  } catch (error) {
    switch ((error as Error).name) {
      case 'PasswordException':
        throw new Refused('is protected by a password', 'Save a copy without one, and add that.');
      case 'InvalidPDFException':
        throw new Refused('is no PDF file, or damaged', `Open it elsewhere and save it again. (${(error as Error).message})`);
      default:
        throw error;
    }
  } finally {
    await loading.destroy();
  }
}
