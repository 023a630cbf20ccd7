/** Puts together Markdown block by block. It is for reading and for being cut, so nothing in it is escaped. */
export class Markdown {
  readonly #blocks: string[] = [];
  #line = '';
  #tight = false;

  /** More of the block under way; `\n` is a line break within it. */
  add(text: string): void {
    this.#line += text;
  }

  /** The next cell of a table's row. */
  cell(): void {
    if (this.#line.trim() !== '') this.#line += ' | ';
  }

  /** Ends the block, if there is anything in it. Neighbours that are `tight`, as items of a list, have no empty line between. */
  end(prefix = '', tight = false): void {
    const line = this.#line.replace(/[^\S\n]+/g, ' ').replace(/ ?\n ?/g, '\n').trim();
    this.#line = '';
    if (line === '') return;
    if (this.#blocks.length > 0) this.#blocks.push(tight && this.#tight ? '\n' : '\n\n');
    this.#blocks.push(prefix + line);
    this.#tight = tight;
  }

  /** A block whose spaces matter. */
  code(text: string | null): void {
    this.end();
    if (!text?.trim()) return;
    if (this.#blocks.length > 0) this.#blocks.push('\n\n');
    this.#blocks.push(`\`\`\`\n${text.replace(/\n$/, '')}\n\`\`\``);
    this.#tight = false;
  }

  text(): string {
    this.end();
    return this.#blocks.join('');
  }
}
