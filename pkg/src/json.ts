/** What is JSON of what callers give. */
import { HeatseekError } from './errors.js';
import { describe } from './coerce.js';

/** More levels than anybody writes, and fewer than the engine's parser takes. */
const MAX_DEPTH = 100;

const LONE_SURROGATE = /\p{Cs}/u;

/**
 * `value` as JSON text. Properties that are undefined are left out, as JSON has it.
 *
 * @throws `invalid_input` that says where what is not JSON, or would come back as something else
 */
export function json(what: string, value: unknown): string {
  check(what, value, []);
  return JSON.stringify(value);
}

/** Whether a string is Unicode, so that the engine has it as it is. */
export const isWellFormed = (text: string): boolean => !LONE_SURROGATE.test(text);

function check(what: string, value: unknown, above: readonly object[]): void {
  switch (typeof value) {
    case 'boolean':
      return;
    case 'string':
      if (!isWellFormed(value)) throw refused(what, 'a string with half of a character');
      return;
    case 'number':
      if (!Number.isFinite(value)) throw refused(what, String(value));
      return;
    case 'object':
      break;
    default:
      throw refused(what, describe(value));
  }
  if (value === null) return;
  if (above.includes(value)) throw refused(what, 'an object that it is in itself');
  if (above.length === MAX_DEPTH) throw refused(what, `more than ${MAX_DEPTH} levels deep`);
  const inside = [...above, value];
  if (Array.isArray(value)) {
    // By index, so that a hole is found too.
    for (let at = 0; at < value.length; at++) check(`${what}[${at}]`, value[at], inside);
    return;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  // Of another window, Object is another one: but nothing is above it either.
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    const name = (value as { constructor?: { name?: string } }).constructor?.name;
    throw refused(what, name ? `a ${name}` : 'an object of a class');
  }
  for (const [key, part] of Object.entries(value)) {
    const place = /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(key) ? `${what}.${key}` : `${what}[${JSON.stringify(key)}]`;
    if (!isWellFormed(key)) throw refused(place, 'named by half of a character');
    if (part !== undefined) check(place, part, inside);
  }
}

function refused(what: string, got: string): HeatseekError {
  return new HeatseekError(
    'invalid_input',
    `${what} is ${got}; expected JSON: null, booleans, finite numbers, strings, and arrays and plain objects of them`,
  );
}
