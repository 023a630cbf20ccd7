/** What heads do with the input in view: computed when asked for, forgotten when another input comes. */

import type { Analysis, Model } from 'heatseek';

import { explain, isAbort } from '../problems.ts';
import type { Store } from '../state.ts';
import { Watched } from '../watched.ts';

/** The input in view. */
export interface Subject {
  /** Another object for another input. */
  readonly key: object;
  readonly input: string | Blob;
  /** What the view above shows. */
  readonly layer: number;
  readonly heads: readonly number[];
}

/** The view that a panel belongs to. */
export interface Host {
  readonly page: Store;
  readonly model: () => Promise<Model | undefined>;
  readonly subject: () => Subject | undefined;
  /** Calls `changed` now and whenever the subject may be another. */
  readonly watch: (changed: () => void) => void;
  /** Shows one head in the view. */
  readonly pick: (layer: number, head: number) => void;
}

export interface HeadsState {
  readonly subject: Subject | undefined;
  readonly analysis: Analysis | undefined;
  /** How much is done, from 0 to 1; nothing while nothing is computed. */
  readonly share: number | undefined;
}

export class HeadStudy extends Watched<HeadsState> {
  readonly #host: Host;
  #asking = new AbortController();

  constructor(host: Host) {
    super({ subject: undefined, analysis: undefined, share: undefined });
    this.#host = host;
    host.watch(() => this.#follow(host.subject()));
  }

  /** Computes it, unless it is at hand or under way. */
  async ask(): Promise<void> {
    const { subject, analysis, share } = this.state;
    if (!subject || analysis || share !== undefined) return;
    const asking = new AbortController();
    const { signal } = asking;
    this.#asking = asking;
    this.update({ share: 0 });
    try {
      const model = await this.#host.model();
      const found = await model?.analyze(subject.input, {
        signal,
        onProgress: ({ loaded, total }) => {
          if (!signal.aborted && total > 0) this.update({ share: loaded / total });
        },
      });
      if (!signal.aborted) this.update({ analysis: found, share: undefined });
    } catch (error) {
      if (!signal.aborted) this.update({ share: undefined });
      if (!isAbort(error)) this.#host.page.complain(explain(error, 'measuring what the heads do'));
    }
  }

  /** Stops computing; what is at hand stays. */
  stop(): void {
    this.#asking.abort();
    if (this.state.share !== undefined) this.update({ share: undefined });
  }

  #follow(subject: Subject | undefined): void {
    const before = this.state.subject;
    if (subject?.key !== before?.key) {
      this.stop();
      this.update({ subject, analysis: undefined });
    } else if (subject?.layer !== before?.layer || String(subject?.heads) !== String(before?.heads)) {
      this.update({ subject });
    }
  }
}
