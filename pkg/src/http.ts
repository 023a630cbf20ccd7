/** What a server's answers say of a file. */

/** What to look at where no answer came: browsers do not tell a script what it was. */
export const UNANSWERED = "no answer; check the address, the network, CORS and the page's Content-Security-Policy (connect-src)";

/** Bytes of the whole file that `response` is of or, from `offset` on, a part of; undefined if nobody knows. */
export function lengthOf(response: Response, offset = 0): number | undefined {
  // A body that was compressed on its way has another length than is said.
  if (response.headers.has('content-encoding')) return undefined;
  const rest = response.headers.get('content-length');
  return rest === null ? undefined : offset + Number(rest) || undefined;
}

/** What changes when the file changes; empty if the server says nothing of the kind. */
export function versionOf(response: Response): string {
  return response.headers.get('etag') ?? response.headers.get('last-modified') ?? '';
}

/** The same with the length as it is said; undefined if the server says neither. */
export function validatorOf(response: Response): string | undefined {
  return `${versionOf(response)} ${response.headers.get('content-length') ?? ''}`.trim() || undefined;
}

/** Version and length of a validator of a file with both. */
export function parseValidator(validator: string): { readonly version: string; readonly length: number } {
  const at = validator.lastIndexOf(' ');
  return { version: validator.slice(0, Math.max(at, 0)), length: Number(validator.slice(at + 1)) };
}

/** Whether `response` is what is missing of a file from `offset` on, and of the same version. */
export function continues(response: Response, offset: number, version: string, length: number | undefined): boolean {
  // Other origins' servers seldom let scripts see the range; then the length tells.
  const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get('content-range') ?? '');
  const total = range && range[2] !== '*' ? Number(range[2]) : lengthOf(response, offset);
  return (
    response.status === 206 && !response.headers.has('content-encoding') &&
    versionOf(response) === version && total === length && (!range || Number(range[1]) === offset)
  );
}

/** The SHA-256 of the whole file that the server sends along, in lower-case hexadecimal. */
export function sumOf({ headers }: Response): string | undefined {
  // Hugging Face's name for the sum of a large file, where the server lets scripts see it.
  const linked = /^"?([0-9a-f]{64})"?$/.exec(headers.get('x-linked-etag') ?? '')?.[1];
  // RFC 9530, and RFC 3230 before it. Both are of the file as it was sent: compressed, maybe.
  const digest = headers.has('content-encoding') ? '' : `${headers.get('repr-digest')},${headers.get('digest')}`;
  const base64 = /(?:^|[,\s])sha-256=:?([\w+/]{43}=)/i.exec(digest)?.[1];
  return linked ?? (base64 && [...atob(base64)].map((byte) => byte.charCodeAt(0).toString(16).padStart(2, '0')).join(''));
}

/**
 * Whether a response says that there is no such file. Storage services answer 401 or 403 for what may not be listed.
 * Servers of single-page apps answer every unknown path with their page, which is no file of a model.
 */
export function isMissing(response: Response): boolean {
  return isRefused(response) || isAbsent(response);
}

/** Whether who asks may not have the file, or know whether there is one. */
export function isRefused({ status }: Response): boolean {
  return status === 401 || status === 403;
}

function isAbsent(response: Response): boolean {
  if (response.status === 404 || response.status === 410) return true;
  return response.ok && /^text\/html\b/.test(response.headers.get('content-type') ?? '');
}

/** Whether asking again may help. */
export function isBusy({ status }: Response): boolean {
  return status >= 500 || [408, 425, 429].includes(status);
}
