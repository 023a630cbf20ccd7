/**
 * Word documents to Markdown: headings, paragraphs, lists, tables, notes; what is deleted in tracked changes is left out.
 * By the names of ECMA-376, part 1, 17 (WordprocessingML).
 */

import { strFromU8, unzipSync } from 'fflate';

import type { Part } from './formats.ts';
import { Markdown } from './markdown.ts';
import { Refused } from './refused.ts';

const W = 'http://schemas.openxmlformats.org/wordprocessingml/2006/main';
const WANTED = ['word/document.xml', 'word/styles.xml', 'word/footnotes.xml', 'word/endnotes.xml'] as const;
/** Text of a long book takes a tenth. What claims more is not unpacked: a small file may claim gigabytes. */
const MOST_BYTES = 100 * 2 ** 20;

/** The text of a document. */
export function readDocx(bytes: Uint8Array): Part[] {
  const files = unpack(bytes);
  const main = files.get('word/document.xml');
  if (!main) throw new Refused('is no Word document', 'Old .doc files can be saved as .docx by Word or LibreOffice.');
  const headings = headingLevels(files.get('word/styles.xml'));
  const out = new Markdown();
  for (const part of [main, files.get('word/footnotes.xml'), files.get('word/endnotes.xml')]) {
    if (part) blocks(part.documentElement, out, headings);
  }
  return [{ text: out.text() }];
}

function unpack(bytes: Uint8Array): Map<string, Document> {
  let left = MOST_BYTES;
  const filter = ({ name, originalSize }: { name: string; originalSize: number }): boolean => {
    if (!WANTED.some((wanted) => wanted === name)) return false;
    left -= originalSize;
    if (left < 0) throw new Refused('is too large', `There are more than ${MOST_BYTES / 2 ** 20} MB packed in it. Split it into parts.`);
    return true;
  };
  let files: Record<string, Uint8Array>;
  try {
    files = unzipSync(bytes, { filter });
  } catch (error) {
    if (error instanceof Refused) throw error;
    throw new Refused('is no Word document', `It is damaged, or of another kind. (${String(error)})`);
  }
  return new Map(Object.entries(files).map(([name, file]) => [name, parse(strFromU8(file), name)]));
}

function parse(xml: string, name: string): Document {
  // Word's files have none; it is the way to entities that stand for gigabytes.
  if (xml.includes('<!DOCTYPE')) throw new Refused('is no Word document', `${name} in it has a document type, which is not allowed there.`);
  const document = new DOMParser().parseFromString(xml, 'application/xml');
  if (document.getElementsByTagName('parsererror').length > 0) throw new Refused('is damaged', `${name} in it is not XML.`);
  return document;
}

/** The level of each style that is a heading. Styles have names of their own in every language, but “heading 1” is that in all. */
function headingLevels(styles: Document | undefined): ReadonlyMap<string, number> {
  const levels = new Map<string, number>();
  for (const style of styles?.getElementsByTagNameNS(W, 'style') ?? []) {
    const name = value(child(style, 'name')) ?? '';
    const level = /^heading ([1-6])$/i.exec(name)?.[1] ?? (/^title$/i.test(name) ? 1 : undefined);
    if (level !== undefined) levels.set(style.getAttributeNS(W, 'styleId') ?? '', Number(level));
  }
  return levels;
}

/** Whatever holds paragraphs and tables. */
function blocks(parent: Element, out: Markdown, headings: ReadonlyMap<string, number>): void {
  for (const element of parent.children) {
    if (element.localName === 'p') paragraph(element, out, headings);
    else if (element.localName === 'tr') {
      for (const cell of element.children) {
        out.cell();
        for (const inner of cell.getElementsByTagNameNS(W, 'p')) {
          run(inner, out);
          out.add(' ');
        }
      }
      out.end('', 'table');
    } else if (element.localName !== 'sectPr') blocks(element, out, headings);
  }
}

function paragraph(element: Element, out: Markdown, headings: ReadonlyMap<string, number>): void {
  const properties = child(element, 'pPr');
  const level = headings.get(value(child(properties, 'pStyle')) ?? '');
  run(element, out);
  if (level !== undefined) out.end(`${'#'.repeat(level)} `);
  else if (child(properties, 'numPr')) out.end('- ', 'list');
  else out.end();
}

/** The text of a paragraph, and of what floats at it. */
function run(parent: Element, out: Markdown): void {
  for (const element of parent.children) {
    switch (element.localName) {
      case 't':
        out.add(element.textContent ?? '');
        break;
      case 'tab':
        out.add('\t');
        break;
      case 'br':
      case 'cr':
        out.add('\n');
        break;
      case 'noBreakHyphen':
        out.add('‑');
        break;
      // Deleted text, properties, and what older programs are to show instead.
      case 'del':
      case 'moveFrom':
      case 'pPr':
      case 'rPr':
      case 'Fallback':
        break;
      default:
        run(element, out);
    }
  }
}

function child(parent: Element | undefined, name: string): Element | undefined {
  return parent && [...parent.children].find(({ localName, namespaceURI }) => localName === name && namespaceURI === W);
}

const value = (element: Element | undefined): string | undefined => element?.getAttributeNS(W, 'val') ?? undefined;
