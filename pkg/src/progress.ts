/**
 * What is going on:
 * - `download`: files of the model are arriving; counts bytes, over all files together.
 * - `cache-full`: a warning: the browser refused to store `file` for next time. Loading goes on.
 * - `read`: configuration, tokenizer and weights are being read and checked; counts steps. Of an index, its files.
 * - `prepare`: weights are being laid out and GPU pipelines compiled; counts steps.
 * - `self-check`: the GPU is being compared with the CPU; counts steps.
 * - `embed`: texts are being embedded; counts texts.
 * - `index`: documents are being indexed; counts chunks.
 * - `attention`: maps are being captured; counts layers.
 * - `occlude`: an input is being embedded with one part after another hidden; counts tokens or patches.
 * - `analyze`: attention is being analysed; counts layers, and then runs with parts of them left out.
 */
export type Stage =
  | 'download' | 'cache-full' | 'read' | 'prepare' | 'self-check' | 'embed' | 'index' | 'attention' | 'occlude' | 'analyze';

/** How far a stage is. */
export interface Progress {
  /** The stage. */
  readonly stage: Stage;
  /** Units done, in the stage's own unit. Never falls within one stage of one call, and is never more than `total`. */
  readonly loaded: number;
  /**
   * Units in all, as far as known. Grows during `download` as files are discovered; a file whose server gives no length
   * counts as what of it has arrived. The end of the download is told as `loaded` equal to `total`.
   */
  readonly total: number;
  /** The file, while one is being fetched or stored. */
  readonly file?: string;
}

/** Called as work proceeds, between other tasks of the calling thread. What it throws is reported as uncaught. */
export type ProgressCallback = (progress: Progress) => void;
