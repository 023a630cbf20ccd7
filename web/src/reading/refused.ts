/** A file that cannot be used: why, and what can be done about it. */
export class Refused extends Error {
  readonly advice: string;

  /** @param why completes “its name …” */
  constructor(why: string, advice: string) {
    super(why);
    this.advice = advice;
  }
}
