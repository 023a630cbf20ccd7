import type { TextState } from './state.ts';

/** One way to draw: shown while its mode is chosen. */
export interface Drawing {
  readonly element: HTMLElement;
  /** Called after every change while it is shown. */
  readonly draw: (state: TextState) => void;
}
