/** Names of collections: what the package takes, made of what people write. */

/** As long as the package lets a name be, in bytes of UTF-8. */
const MOST_BYTES = 80;

/** The name that comes nearest to `text`; empty if nothing is left of it. */
export function cleanName(text: string): string {
  let name = text.normalize().replace(/[/\\\p{Cc}\p{Cs}]+/gu, ' ').replace(/\s+/g, ' ');
  const trimmed = (): string => name.replace(/^[.\s]+|[.\s]+$/g, '');
  while (new TextEncoder().encode(trimmed()).length > MOST_BYTES) name = [...trimmed()].slice(0, -1).join('');
  return trimmed();
}

/** `name`, or `name 2` and so on: the first that is free. */
export function freeName(name: string, taken: readonly string[]): string {
  const base = cleanName(name) || 'Collection';
  for (let number = 1; ; number++) {
    const candidate = number === 1 ? base : `${cleanName(base.slice(0, 60))} ${number}`;
    if (!taken.includes(candidate)) return candidate;
  }
}
