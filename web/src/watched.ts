/** A state that is replaced rather than changed, and those who watch it. */

export class Watched<State extends object> {
  #state: State;
  readonly #views: ((state: State) => void)[] = [];

  constructor(initial: State) {
    this.#state = initial;
  }

  get state(): State {
    return this.#state;
  }

  update(change: Partial<State>): void {
    this.#state = { ...this.#state, ...change };
    for (const view of this.#views) view(this.#state);
  }

  /** Calls `view` now and after every change. */
  watch(view: (state: State) => void): void {
    this.#views.push(view);
    view(this.#state);
  }
}
