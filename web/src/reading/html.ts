/**
 * Web pages to Markdown. They are parsed into a document that is never shown: nothing in it runs, and nothing that it
 * refers to is fetched. Only text leaves it.
 */

import { decodePage } from './decode.ts';
import type { Part } from './formats.ts';
import { Markdown } from './markdown.ts';

/** What is not text for readers. */
const SKIPPED = new Set([
  'script', 'style', 'noscript', 'template', 'head', 'svg', 'math', 'iframe', 'object', 'embed', 'canvas', 'audio', 'video',
  'select', 'button', 'nav', 'dialog',
]);
const BLOCKS = new Set([
  'address', 'article', 'aside', 'blockquote', 'body', 'caption', 'dd', 'details', 'div', 'dl', 'dt', 'fieldset', 'figcaption', 'figure',
  'footer', 'form', 'header', 'hr', 'li', 'main', 'ol', 'p', 'section', 'summary', 'table', 'tbody', 'tfoot', 'thead', 'tr', 'ul',
]);
/** As deep as parsers let elements be nested (WHATWG leaves it open; browsers stop at 512): no page runs us out of stack. */
const DEEPEST = 512;

/** The text of a page. */
export function readHtml(bytes: Uint8Array): Part[] {
  const page = new DOMParser().parseFromString(decodePage(bytes), 'text/html');
  const out = new Markdown();
  walk(page.body, out, 0);
  const title = page.title.trim();
  return [{ text: out.text(), ...(title === '' ? {} : { title }) }];
}

function walk(node: Node, out: Markdown, depth: number): void {
  if (node.nodeType === Node.TEXT_NODE) return out.add((node as Text).data.replace(/\s+/g, ' '));
  if (!(node instanceof Element)) return;
  const name = node.localName;
  if (SKIPPED.has(name) || node.hasAttribute('hidden')) return;
  if (name === 'br') return out.add('\n');
  if (name === 'img') return out.add(node.getAttribute('alt') ?? '');
  if (name === 'pre') return out.code(node.textContent);
  if (name === 'td' || name === 'th') out.cell();
  const heading = /^h([1-6])$/.exec(name)?.[1];
  const block = heading !== undefined || BLOCKS.has(name);
  if (block) out.end();
  if (depth >= DEEPEST) out.add(node.textContent ?? '');
  else for (const child of node.childNodes) walk(child, out, depth + 1);
  if (heading !== undefined) out.end(`${'#'.repeat(Number(heading))} `);
  else if (name === 'li') out.end('- ', 'list');
  else if (name === 'tr') out.end('', 'table');
  else if (block) out.end();
}
