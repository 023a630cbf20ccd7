/** The page's end of fetching for an engine that cannot: functions of the caller's do not go to a worker. */
import { describe } from './coerce.js';
import { HeatseekError, errorToData } from './errors.js';
import type { Fetch, RequestHeaders } from './model-source.js';
import type { FromLender, ToLender } from './protocol.js';

/** A fetch lent to an engine. */
export interface Lent {
  /** For the engine. */
  readonly port: MessagePort;
  /** Ends it, and all that it is at. */
  close(): void;
}

interface Asked {
  readonly abort: AbortController;
  reader?: ReadableStreamDefaultReader<Uint8Array> | undefined;
}

type HeadersFor = Exclude<RequestHeaders, HeadersInit>;

/** Lends `fetch`, with what `headers` says besides. */
export function lend(fetch: Fetch, headers: HeadersFor | undefined): Lent {
  const { port1, port2 } = new MessageChannel();
  const requests = new Map<number, Asked>();
  const post = (message: FromLender, transfer: Transferable[] = []): void => port1.postMessage(message, transfer);

  const answer = async ({ id, url, method, headers: asked }: Extract<ToLender, { type: 'fetch' }>): Promise<void> => {
    const abort = new AbortController();
    const request: Asked = { abort };
    requests.set(id, request);
    const all = headers ? { ...(await headersOf(headers, url)), ...asked } : asked;
    const response: unknown = await fetch(url, { method, headers: all, signal: abort.signal });
    // By what it can do: classes of another realm, or of a library, are as good.
    if (!isResponse(response)) {
      throw new HeatseekError('invalid_input', `fetch gave ${describe(response)} for a file of the model; expected a Response`);
    }
    request.reader = response.body?.getReader();
    post({ type: 'answer', id, status: response.status, statusText: response.statusText, headers: [...response.headers] });
  };

  const read = async (id: number): Promise<void> => {
    const next = await requests.get(id)?.reader?.read();
    if (!next || next.done) {
      requests.delete(id);
      return post({ type: 'chunk', id });
    }
    // A copy: what is sent is gone here, and may be the caller's.
    const chunk = new Uint8Array(next.value);
    post({ type: 'chunk', id, chunk }, [chunk.buffer]);
  };

  const cancel = (id: number): void => {
    const request = requests.get(id);
    requests.delete(id);
    request?.abort.abort();
    request?.reader?.cancel().catch(() => {});
  };

  port1.onmessage = ({ data: message }: MessageEvent<ToLender>) => {
    const { id } = message;
    const failed = (error: unknown): void => {
      requests.delete(id);
      const ours = error instanceof HeatseekError ? { error: errorToData(error) } : {};
      post({ type: 'failed', id, message: error instanceof Error ? error.message : String(error), ...ours });
    };
    switch (message.type) {
      case 'fetch': return void answer(message).catch(failed);
      case 'read': return void read(id).catch(failed);
      case 'cancel': return cancel(id);
      default: return message satisfies never;
    }
  };
  return {
    port: port2,
    close() {
      for (const id of [...requests.keys()]) cancel(id);
      port1.close();
    },
  };
}

async function headersOf(headers: HeadersFor, url: string): Promise<Record<string, string>> {
  let given: HeadersInit;
  try {
    given = await headers(url);
  } catch (cause) {
    throw new HeatseekError('invalid_input', `headers threw for ${url.replace(/\?.*/, '')}`, { cause });
  }
  return plainHeaders('what headers gave', given);
}

/** Headers as they are sent. What is wrong with them is not told: it would tell of secrets. */
export function plainHeaders(what: string, given: HeadersInit): Record<string, string> {
  try {
    if (typeof given === 'object' && given !== null) return Object.fromEntries(new Headers(given));
  } catch {
    // As below.
  }
  throw new HeatseekError('invalid_input', `${what} cannot be sent; expected names and values of HTTP headers`);
}

function isResponse(value: unknown): value is Response {
  return typeof value === 'object' && value !== null && 'status' in value && 'headers' in value && 'body' in value;
}
