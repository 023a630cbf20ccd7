/** The sample corpus that comes with the page. */

import type { Engine } from './engine.ts';
import type { Store } from './state.ts';

interface Passage {
  readonly id: string;
  readonly title: string;
  readonly topic: string;
  readonly text: string;
}

export const SAMPLE_NAME = 'Sample corpus';

// A handful fits under the search box; a new draw on every visit shows that any will do.
const SUGGESTIONS = 6;
// Longer ones would fill a phone's screen.
const LONGEST_SUGGESTION = 48;

export async function addSample(engine: Engine, store: Store): Promise<void> {
  if (engine.intake.has(SAMPLE_NAME)) return;
  try {
    const corpus = await fetchJson<Passage[]>('sample/passages.json');
    const adding = engine.intake.addText('sample', SAMPLE_NAME, corpus.map(({ id, text, title, topic }) => ({ id, text, title: `${title} · ${topic}` })));
    await suggest(store);
    await adding;
  } catch {
    store.complain({
      title: 'The sample could not be fetched',
      advice: 'Check your connection and try again, or add a text of your own.',
    });
  }
}

/** Questions to try, if the sample is what there is to search. */
export async function offerQuestions(store: Store): Promise<void> {
  // Without them it is as good as with them.
  if (store.state.sources.some(({ kind }) => kind === 'sample')) await suggest(store).catch(() => {});
}

async function suggest(store: Store): Promise<void> {
  const questions = await fetchJson<{ question: string }[]>('sample/questions.json');
  const short = questions.filter(({ question }) => question.length <= LONGEST_SUGGESTION);
  const drawn = short.map(({ question }) => ({ question, at: Math.random() }));
  drawn.sort((a, b) => a.at - b.at);
  store.update({ suggestions: drawn.slice(0, SUGGESTIONS).map(({ question }) => question) });
}

async function fetchJson<T>(path: string): Promise<T> {
  const response = await fetch(new URL(path, document.baseURI));
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return (await response.json()) as T;
}
