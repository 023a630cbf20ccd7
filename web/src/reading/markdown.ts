/** What is one block with its neighbours. */
type Together = 'list' | 'table';

/** Puts together Markdown block by block. It is for reading and for being cut, so nothing in it is escaped. */
export class Markdown {
  readonly #blocks: string[] = [];
  #line = '';
  #last: Together | undefined;

  /** More of the block under way; `\n` is a line break within it. */
  add(text: string): void {
    this.#line += text;
  }

  /** The next cell of a table's row. */
  cell(): void {
    if (this.#line.trim() !== '') this.#line += ' | ';
  }

  /** Ends the block, if there is anything in it. Between items of a list, or rows of a table, is no empty line. */
  end(prefix = '', together?: Together): void {
    const line = this.#line.replace(/[^\S\n]+/g, ' ').replace(/ ?\n ?/g, '\n').trim();
    this.#line = '';
    if (line === '') return;
    if (this.#blocks.length > 0) this.#blocks.push(together !== undefined && together === this.#last ? '\n' : '\n\n');
    this.#blocks.push(prefix + line);
    this.#last = together;
  }

  /** A block whose spaces matter. */
  code(text: string | null): void {
    this.end();
    if (!text?.trim()) return;
    if (this.#blocks.length > 0) this.#blocks.push('\n\n');
    this.#blocks.push(`\`\`\`\n${text.replace(/\n$/, '')}\n\`\`\``);
    this.#last = undefined;
  }

  text(): string {
    this.end();
    return this.#blocks.join('');
  }
}
