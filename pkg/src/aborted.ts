import { HeatseekError } from './errors.js';

/** The error of a call whose signal was aborted. */
export function abortedError(reason: unknown): HeatseekError {
  return new HeatseekError('aborted', 'aborted by the caller', { cause: reason });
}
