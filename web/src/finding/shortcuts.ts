/** Keys that do something anywhere on the page. They can be turned off, for those whose keys come from dictation. */

const OFF = 'heatseek.keys-off';

/** What keys do, for the list of them; the first ones are {@link shortcut}s, the others belong to what has the focus. */
export const KEYS: readonly (readonly [keys: string, what: string])[] = [
  ['/', 'go to the question'],
  ['f', 'refine: words beside meaning, filters'],
  ['c', 'collections'],
  ['?', 'this list'],
  ['↓ ↑', 'from the question to the results, through them, and back'],
  ['Enter', 'open a result where it stands in its text'],
  ['w', 'why a result was found'],
  ['← →', 'in an opened text: to the result before, or after'],
  ['Esc', 'close what is open'],
];

/** Whether keys do something. */
export function keysOn(): boolean {
  try {
    return localStorage.getItem(OFF) === null;
  } catch {
    return true;
  }
}

export function turnKeys(on: boolean): void {
  try {
    if (on) localStorage.removeItem(OFF);
    else localStorage.setItem(OFF, 'yes');
  } catch {
    // Where nothing is kept, it cannot be for the next visit either.
  }
}

/** Does `action` when `key` is pressed while `view` is shown and nobody is typing. */
export function shortcut(key: string, view: HTMLElement, action: () => void): void {
  document.addEventListener('keydown', (event) => {
    if (event.key !== key || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (!view.isConnected || isTyping(event.target) || document.querySelector('dialog[open]') || !keysOn()) return;
    event.preventDefault();
    action();
  });
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.matches('input:not([type=range], [type=checkbox]), textarea, select');
}
