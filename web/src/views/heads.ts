/** What the heads do, below both views of attention: closed, and nothing computed, until asked for. */

import type { Analysis } from 'heatseek';

import { button, el, say } from '../dom.ts';
import { onTheme } from '../draw/theme.ts';
import { HeadStudy } from '../heads/study.ts';
import type { Host } from '../heads/study.ts';
import { headGroups } from './head-groups.ts';
import { headTable } from './head-table.ts';
import { rankCurves } from './rank-curves.ts';
import { sinkLife } from './sink-life.ts';
import '../heads.css';

export function headsPanel(host: Host): HTMLElement {
  const study = new HeadStudy(host);
  const table = headTable(host.pick);
  const groups = headGroups(host.pick);
  const findings = el('div', { class: 'findings', 'data-testid': 'findings' });
  const panel = el('details', { class: 'what-heads-do', 'data-testid': 'heads-panel' },
    el('summary', { 'data-testid': 'heads-open' }, 'What the heads do'), working(study), findings);
  panel.addEventListener('toggle', () => {
    if (!panel.open) study.stop();
    else void study.ask().then(() => {
      const { analysis, share } = study.state;
      if (!analysis && share === undefined) panel.open = false;
    });
  });

  let shown: Analysis | undefined;
  const show = (): void => {
    const { analysis, subject } = study.state;
    panel.hidden = subject === undefined;
    findings.hidden = analysis === undefined;
    if (analysis !== shown) {
      shown = analysis;
      // Another input came: its numbers are computed when they are asked for.
      if (!analysis) panel.open = false;
      else {
        table.draw(analysis);
        groups.draw(analysis);
        findings.replaceChildren(table.element, groups.element, sinkLife(analysis), rankCurves(analysis));
      }
    }
    if (!analysis || !subject) return;
    table.mark(subject);
    groups.mark(subject);
  };
  study.watch(show);
  onTheme(() => {
    shown = undefined;
    show();
  });
  return panel;
}

/** How far it is, and the way to stop it. */
function working(study: HeadStudy): HTMLElement {
  const bar = el('progress', { 'aria-label': 'Measuring the heads', max: 1 });
  const label = el('span', { role: 'status' });
  const view = el('div', { class: 'measuring' },
    el('div', { class: 'row' }, label, button('Cancel', () => study.stop(), { class: 'quiet', 'data-testid': 'heads-cancel' })), bar);
  study.watch(({ share }) => {
    view.hidden = share === undefined;
    say(label, share === undefined ? '' : 'Measuring every head of every layer');
    if (share === undefined || share === 0) bar.removeAttribute('value');
    else bar.value = share;
  });
  return view;
}
