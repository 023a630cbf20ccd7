/** JSON: what a list holds is searched one by one; values stand under their names. */

import { decode } from './decode.ts';
import type { Part } from './formats.ts';
import { Refused } from './refused.ts';

/** The items of a list, or all of something else as one. */
export function readJson(bytes: Uint8Array): Part[] {
  const value = parse(decode(bytes), '');
  if (!Array.isArray(value)) return [{ text: lines(value).join('\n') }];
  return value.map((item, at) => ({ text: lines(item).join('\n'), title: `item ${at + 1}` }));
}

/** One value a line. */
export function readJsonLines(bytes: Uint8Array): Part[] {
  return decode(bytes).split('\n').flatMap((line, at) =>
    line.trim() === '' ? [] : [{ text: lines(unwrapped(parse(line, ` in line ${at + 1}`))).join('\n'), title: `line ${at + 1}` }]);
}

/** The text of a document as collections are exported; anything else is as it is. */
function unwrapped(value: unknown): unknown {
  const { id, text, metadata } = (value ?? {}) as Record<string, unknown>;
  return typeof id === 'string' && typeof text === 'string' && typeof metadata === 'object' ? text : value;
}

function parse(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Refused(`is not JSON${where}`, `The browser says: ${(error as Error).message}`);
  }
}

/** `name: value` a line, with dotted names. A text that is all there is stands without one. */
function lines(value: unknown, name = ''): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => lines(item, name));
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value).flatMap(([key, inner]) => lines(inner, name === '' ? key : `${name}.${key}`));
  }
  if (value === null || value === '') return [];
  return [name === '' ? String(value) : `${name}: ${String(value)}`];
}
