/** What callers may pass, made into one shape at the edge; everything behind it sees that shape only. */
import { HeatseekError } from './errors.js';

/** What `value` is, in words for a message. */
export function describe(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  switch (typeof value) {
    case 'string': return value.length <= 40 ? `'${value}'` : 'a string';
    case 'number': case 'boolean': case 'bigint': return String(value);
    case 'undefined': return 'undefined';
    case 'object': return 'an object';
    default: return `a ${typeof value}`;
  }
}

/** An invalid_input error in the one form they all have. */
export function invalid(what: string, got: unknown, expected: string): HeatseekError {
  return new HeatseekError('invalid_input', `${what} is ${describe(got)}; expected ${expected}`);
}

/** Checks that `options` is an object that has no names but `allowed`. */
export function options<T extends object>(what: string, value: T | undefined, allowed: readonly (keyof T & string)[]): T {
  if (value === undefined) return {} as T;
  if (typeof value !== 'object' || value === null) throw invalid(what, value, 'an object');
  for (const key of Object.keys(value)) {
    if (!(allowed as readonly string[]).includes(key)) {
      throw new HeatseekError('invalid_input', `${what} has no option '${key}'; there are ${allowed.join(', ')}`);
    }
  }
  return value;
}

/** One of `allowed`, or `fallback` if not given. */
export function choice<T extends string, F extends T | undefined>(what: string, value: T | undefined, allowed: readonly T[], fallback: F): T | F {
  if (value === undefined) return fallback;
  if (!allowed.includes(value)) throw invalid(what, value, `one of ${allowed.join(', ')}`);
  return value;
}

/** A whole number, `least` or more; `fallback` if not given. */
export function count<T extends number | undefined>(what: string, value: number | undefined, least: number, fallback: T): number | T {
  if (value === undefined) return fallback;
  if (!Number.isInteger(value) || value < least) throw invalid(what, value, `a whole number, ${least} or more`);
  return value;
}

/** A share, 0 or more and less than 1; `fallback` if not given. */
export function share(what: string, value: number | undefined, fallback: number): number {
  if (value === undefined) return fallback;
  if (typeof value !== 'number' || !(value >= 0 && value < 1)) throw invalid(what, value, '0 or more, less than 1');
  return value;
}

/** A share that may be all, 0 to 1; `fallback` if not given. */
export function fraction(what: string, value: number | undefined, fallback: number): number {
  if (value === undefined) return fallback;
  if (typeof value !== 'number' || !(value >= 0 && value <= 1)) throw invalid(what, value, 'a number from 0 to 1');
  return value;
}

/** A finite number; `fallback` if not given. */
export function number<T extends number | undefined>(what: string, value: number | undefined, fallback: T): number | T {
  if (value === undefined) return fallback;
  if (typeof value !== 'number' || !Number.isFinite(value)) throw invalid(what, value, 'a finite number');
  return value;
}

/** A boolean; `fallback` if not given. */
export function flag<T extends boolean | undefined>(what: string, value: boolean | undefined, fallback: T): boolean | T {
  if (value === undefined) return fallback;
  if (typeof value !== 'boolean') throw invalid(what, value, 'true or false');
  return value;
}

/** A string, or nothing. */
export function text(what: string, value: string | undefined): string | undefined {
  if (value !== undefined && typeof value !== 'string') throw invalid(what, value, 'a string');
  return value;
}

/** Bytes, or nothing: a view of all its buffer, so that nothing else is copied with it. */
export function bytes(what: string, value: ArrayBuffer | Uint8Array | undefined): Uint8Array | undefined {
  if (value === undefined) return undefined;
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (!(value instanceof Uint8Array)) throw invalid(what, value, 'an ArrayBuffer or a Uint8Array');
  return value.byteLength === value.buffer.byteLength ? value : value.slice();
}

/** Numbers in a Float32Array. */
export function floats(what: string, value: Float32Array): Float32Array {
  if (!(value instanceof Float32Array)) throw invalid(what, value, 'a Float32Array');
  return value;
}

/** One text or an array of them, as an array of your own. */
export function texts(what: string, value: string | readonly string[]): string[] {
  if (typeof value === 'string') return [value];
  if (!Array.isArray(value)) throw invalid(what, value, 'a string or an array of strings');
  // By index, so that a hole of a sparse array is found too.
  return Array.from(value as readonly unknown[], (item, index) => {
    if (typeof item !== 'string') throw invalid(`${what}[${index}]`, item, 'a string');
    return item;
  });
}

/** A callback, or nothing. */
export function callback<T>(what: string, value: T | undefined): T | undefined {
  if (value !== undefined && typeof value !== 'function') throw invalid(what, value, 'a function');
  return value;
}

/** An AbortSignal, or nothing. */
export function signal(what: string, value: AbortSignal | undefined): AbortSignal | undefined {
  if (value !== undefined && !(typeof value === 'object' && value !== null && typeof value.aborted === 'boolean')) {
    throw invalid(what, value, 'an AbortSignal');
  }
  return value;
}
