/** The engine's end of a fetch that the page lends: see lend.ts. */
import { errorFromData } from './errors.js';
import type { Fetch } from './model-source.js';
import type { FromLender, ToLender } from './protocol.js';

interface Borrowed {
  answer(answer: Extract<FromLender, { type: 'answer' }>): void;
  chunk(chunk: Uint8Array<ArrayBuffer> | undefined): void;
  fail(error: unknown): void;
}

// Answers of these have no body, and a Response insists on that.
const EMPTY = [204, 205, 304];

/** A fetch that has the page behind `port` do it. Bodies come as they are read, a chunk at a time. */
export function borrow(port: MessagePort): Fetch {
  const requests = new Map<number, Borrowed>();
  let next = 1;
  const post = (message: ToLender): void => port.postMessage(message);
  port.onmessage = ({ data: message }: MessageEvent<FromLender>) => {
    const request = requests.get(message.id);
    switch (message.type) {
      case 'answer': return request?.answer(message);
      case 'chunk': return request?.chunk(message.chunk);
      case 'failed': return request?.fail(message.error ? errorFromData(message.error) : new TypeError(message.message));
      default: return message satisfies never;
    }
  };

  return (url, { method, headers, signal }) => {
    const id = next++;
    post({ type: 'fetch', id, url, method, headers });
    return new Promise((resolve, reject) => {
      let body: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | undefined;
      const forget = (): void => {
        requests.delete(id);
        signal.removeEventListener('abort', stop);
      };
      const fail = (error: unknown): void => {
        forget();
        reject(error);
        body?.error(error);
      };
      const stop = (): void => {
        post({ type: 'cancel', id });
        fail(signal.reason);
      };
      signal.addEventListener('abort', stop);
      requests.set(id, {
        answer({ status, statusText, headers: given }) {
          const empty = method === 'HEAD' || EMPTY.includes(status);
          const cancel = (): void => {
            post({ type: 'cancel', id });
            forget();
          };
          if (empty) cancel();
          try {
            const stream = empty ? null : new ReadableStream<Uint8Array<ArrayBuffer>>({
              start: (controller) => { body = controller; },
              pull: () => post({ type: 'read', id }),
              cancel,
            });
            resolve(new Response(stream, { status, statusText, headers: given }));
          } catch (error) {
            fail(error);
          }
        },
        chunk(chunk) {
          if (chunk) return body?.enqueue(chunk);
          forget();
          body?.close();
        },
        fail,
      });
      if (signal.aborted) stop();
    });
  };
}
