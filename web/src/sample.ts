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
const passages = new Map<string, Passage>();

/** What to call a document of the sample in a list of results. */
export function sampleTitle(documentId: string): string | undefined {
  const passage = passages.get(documentId);
  return passage && `${passage.title} · ${passage.topic}`;
}

export async function addSample(engine: Engine, store: Store): Promise<void> {
  if (store.state.sources.some(({ name }) => name === SAMPLE_NAME)) return;
  try {
    const [corpus, questions] = await Promise.all([
      fetchJson<Passage[]>('sample/passages.json'),
      fetchJson<{ question: string }[]>('sample/questions.json'),
    ]);
    for (const passage of corpus) passages.set(passage.id, passage);
    const short = questions.filter(({ question }) => question.length <= LONGEST_SUGGESTION);
    const drawn = short.map(({ question }) => ({ question, at: Math.random() }));
    drawn.sort((a, b) => a.at - b.at);
    store.update({ suggestions: drawn.slice(0, SUGGESTIONS).map(({ question }) => question) });
    await engine.add(SAMPLE_NAME, corpus.map(({ id, text }) => ({ id, text })));
  } catch {
    store.complain({
      title: 'The sample could not be fetched',
      advice: 'Check your connection and try again, or add a text of your own.',
    });
  }
}

async function fetchJson<T>(path: string): Promise<T> {
  const response = await fetch(new URL(path, document.baseURI));
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return (await response.json()) as T;
}
