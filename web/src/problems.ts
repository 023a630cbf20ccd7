/** What to tell people when something fails: what happened, and what they can do. */

import { HeatseekError } from 'heatseek';
import type { ErrorCode } from 'heatseek';

import type { Problem } from './state.ts';

const WORDS: Readonly<Record<ErrorCode, Problem>> = {
  invalid_input: { title: 'That could not be read', advice: 'Check the text, or the address of this page, and try again.' },
  unsupported: { title: 'This browser cannot run it that way', advice: 'Add ?device=cpu to the address to run without WebGPU.' },
  model_invalid: { title: 'The model files are damaged', advice: 'Reload the page to fetch them again. If it goes on, the files on the server are broken.' },
  not_found: { title: 'The model is not there', advice: 'Check the ?model= address. Running it yourself? “npm start” fetches the model.' },
  network: { title: 'The download broke off', advice: 'Check your connection, then try again.' },
  quota: { title: 'The browser is out of storage', advice: 'Free some space or close private windows, then try again.' },
  locked: { title: 'It is open in another tab', advice: 'Close it there, then try again.' },
  index_invalid: { title: 'The index is damaged', advice: 'Open a copy that was exported, or add the documents again.' },
  device_lost: { title: 'The graphics device went away', advice: 'Reload the page, or add ?device=cpu to the address.' },
  out_of_memory: { title: 'Out of memory', advice: 'Close other tabs, or add less text at a time.' },
  aborted: { title: 'Stopped', advice: 'Nothing was kept of what was stopped. Start it again whenever you like.' },
  disposed: { title: 'The model was closed', advice: 'Reload the page to open it again.' },
  internal: { title: 'Heatseek made a mistake', advice: 'Reload the page. Please report it, with the details below.' },
};

/** Whether the user asked for it to stop. */
export function isAbort(error: unknown): boolean {
  return error instanceof HeatseekError && error.code === 'aborted';
}

/** `doing` completes "while …". */
export function explain(error: unknown, doing: string): Problem {
  const code = error instanceof HeatseekError ? error.code : 'internal';
  // A package newer than this page may know codes that it does not.
  const words = WORDS[code] ?? WORDS.internal;
  const detail = error instanceof Error ? error.message : String(error);
  return { title: `${words.title} while ${doing}`, advice: `${words.advice} (${detail})` };
}
