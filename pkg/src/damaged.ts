/** What an archive must be for its parts to be taken, piece by piece. */
import { describe } from './coerce.js';
import { HeatseekError } from './errors.js';

// A mark at the beginning would be a part of what was summed.
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** An index_invalid error in the one form they all have. */
export function damaged(where: string, expected: string, got: string | number | bigint): HeatseekError {
  const what = `${where}: expected ${expected}, got ${got}`;
  return new HeatseekError('index_invalid', `${what}; the archive is damaged: export the index anew`);
}

/** A text in UTF-8. */
export function decoded(where: string, bytes: Uint8Array): string {
  try {
    return UTF8.decode(bytes);
  } catch {
    throw damaged(where, 'UTF-8', 'other bytes');
  }
}

/** An object in JSON. */
export function parsed(where: string, json: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw damaged(where, 'JSON', (error as Error).message);
  }
  return record(where, value);
}

export function record(where: string, value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw damaged(where, 'an object', describe(value));
  }
  return value as Readonly<Record<string, unknown>>;
}

export function string(where: string, value: unknown): string {
  if (typeof value !== 'string') throw damaged(where, 'a string', describe(value));
  return value;
}

/** A whole number of `least` to `most`. */
export function whole(where: string, value: unknown, least: number, most: number): number {
  if (!Number.isSafeInteger(value) || (value as number) < least || (value as number) > most) {
    throw damaged(where, `a whole number from ${least} to ${most}`, describe(value));
  }
  return value as number;
}
