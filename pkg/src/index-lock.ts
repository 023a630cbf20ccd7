/** One writer for each stored index, among all tabs of the origin. */
import { HeatseekError } from './errors.js';

/** How long a worker that has just ended may take to let go of an index, in milliseconds. */
const WAIT_MS = 1500;

/**
 * Holds the index of this name until the function that is given is called, or this worker or tab ends, however it ends.
 *
 * @throws `locked` if somebody else holds it, and what the browser says if it has no locks here
 */
export function lock(name: string, locks: LockManager | undefined = globalThis.navigator?.locks, waitMs = WAIT_MS): Promise<() => void> {
  return new Promise((resolve, reject) => {
    if (!locks) throw new Error('the browser has no locks here, which pages of https: have');
    const waiting = new AbortController();
    const timer = setTimeout(() => waiting.abort(), waitMs);
    const held = (): Promise<void> => {
      clearTimeout(timer);
      return new Promise((release) => resolve(release));
    };
    locks.request(`heatseek-index:${name}`, { signal: waiting.signal }, held).catch((error: unknown) => {
      clearTimeout(timer);
      reject(waiting.signal.aborted ? lockedError(name) : error);
    });
  });
}

function lockedError(name: string): HeatseekError {
  return new HeatseekError(
    'locked',
    `the index '${name}' is open already, in another tab or process or in this one: dispose of it there, or close that tab`,
  );
}
