/** Things that went wrong, each with what to do about it, until dismissed. */

import { button, el } from '../dom.ts';
import type { Problem, Store } from '../state.ts';

export function problemsView(store: Store): HTMLElement {
  const view = el('div', { class: 'problems', role: 'alert' });
  let shown: readonly Problem[] = [];
  store.watch(({ problems }) => {
    if (problems === shown) return;
    shown = problems;
    view.replaceChildren(
      ...problems.map((problem) =>
        el('div', { class: 'problem row', 'data-testid': 'error' },
          el('p', {}, el('strong', {}, problem.title), `. ${problem.advice}`),
          button('Dismiss', () => store.update({ problems: store.state.problems.filter((p) => p !== problem) }), {
            class: 'quiet',
          }),
        ),
      ),
    );
  });
  return view;
}
