/** Boxes that stand over the page until they are closed; the browser keeps the focus in them and gives it back. */

import { button, el } from '../dom.ts';
import { KEYS, keysOn, turnKeys } from '../finding/shortcuts.ts';
import '../dialog.css';

/** Shows a box, which is gone when it is closed. */
export function openDialog(label: string, className: string, ...children: (Node | string)[]): HTMLDialogElement {
  const dialog = el('dialog', { 'aria-label': label, class: className, 'data-testid': className }, ...children);
  dialog.addEventListener('close', () => dialog.remove());
  // A click beside it is on the dialog itself: what is in it covers all of it.
  dialog.addEventListener('click', ({ target }) => {
    if (target === dialog) dialog.close();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** Asks whether to do what cannot be undone. */
export function confirmed(question: string, detail: string, action: string): Promise<boolean> {
  return new Promise((resolve) => {
    const done = (answer: boolean) => (): void => dialog.close(answer ? 'yes' : '');
    const dialog = openDialog(question, 'confirm', el('div', { class: 'box' },
      el('h2', {}, question),
      el('p', {}, detail),
      el('div', { class: 'ways' },
        button('Keep it', done(false), { autofocus: true }),
        button(action, done(true), { class: 'primary', 'data-testid': 'confirm-yes' })),
    ));
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'));
  });
}

/** The list of keys. */
export function showKeys(): void {
  const on = el('input', { type: 'checkbox', id: 'keys-on', checked: keysOn() });
  on.addEventListener('change', () => turnKeys(on.checked));
  const dialog = openDialog('Keys', 'keys', el('div', { class: 'box' },
    el('h2', {}, 'Keys'),
    el('dl', {}, ...KEYS.flatMap(([keys, what]) => [
      el('dt', {}, ...keys.split(' ').map((key) => el('kbd', {}, key))),
      el('dd', {}, what),
    ])),
    el('label', { for: 'keys-on' }, on, ' Single letters and signs work anywhere on the page'),
    el('div', { class: 'ways' }, button('Close', () => dialog.close(), { autofocus: true })),
  ));
}
