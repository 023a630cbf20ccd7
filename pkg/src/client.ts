/** The page's end of the protocol: one promise per call, whatever happens to the engine. */
import { abortedError } from './aborted.js';
import { HeatseekError, errorFromData } from './errors.js';
import type { ProgressCallback } from './progress.js';
import type { CallName, Calls, FromEngine, ToEngine } from './protocol.js';
import type { DeviceInfo, Priority } from './types.js';

/** What a client talks through: a Worker, a MessagePort, or a fake in tests. */
export interface Port {
  postMessage(message: ToEngine, transfer: Transferable[]): void;
  addEventListener(type: 'message', listener: (event: { data: FromEngine }) => void): void;
  addEventListener(type: 'error' | 'messageerror', listener: (event: unknown) => void): void;
  removeEventListener(type: 'message' | 'error' | 'messageerror', listener: (event: never) => void): void;
  /** Outside of browsers: the process waits for messages. */
  ref?(): void;
  /** Or it does not. */
  unref?(): void;
}

/** How to follow and stop a call. */
export interface Following {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ProgressCallback | undefined;
  /** Whom it overtakes. Default: what the engine thinks of calls of its kind. */
  readonly priority?: Priority | undefined;
  /** Whether an abort waits for the engine to say what came of it: the call may be past the point where it can be undone. */
  readonly settled?: boolean;
  /** What of the arguments moves to the engine. */
  readonly transfer?: Transferable[];
}

interface Pending {
  readonly resolve: (value: never) => void;
  readonly reject: (error: HeatseekError) => void;
  readonly onProgress: ProgressCallback | undefined;
  readonly forget: () => void;
}

/** Calls to one engine. */
export class Client {
  /** Told when the model moves to another device. */
  onDevice: ((device: DeviceInfo) => void) | undefined;
  readonly #port: Port;
  readonly #close: () => void;
  readonly #pending = new Map<number, Pending>();
  #next = 1;
  #ready = false;
  #ended: HeatseekError | undefined;

  /**
   * @param port to the engine
   * @param close ends the engine: terminates a worker of ours, closes a port
   */
  constructor(port: Port, close: () => void) {
    this.#port = port;
    this.#close = close;
    port.addEventListener('message', this.#onMessage);
    port.addEventListener('error', this.#onError);
    port.addEventListener('messageerror', this.#onError);
  }

  /** Makes a call. Rejects with a HeatseekError and nothing else. */
  call<Name extends CallName>(
    type: Name,
    args: Calls[Name]['args'],
    { signal, onProgress, priority, settled = false, transfer = [] }: Following = {},
  ): Promise<Calls[Name]['result']> {
    if (this.#ended) return Promise.reject(this.#ended);
    if (signal?.aborted) return Promise.reject(abortedError(signal.reason));
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      const abort = () => {
        if (!settled) this.#take(id)?.reject(abortedError(signal?.reason));
        this.#port.postMessage({ type: 'abort', id }, []);
      };
      signal?.addEventListener('abort', abort);
      const forget = () => signal?.removeEventListener('abort', abort);
      const refuse = (error: HeatseekError) => reject(signal?.aborted && error.code === 'aborted' ? abortedError(signal.reason) : error);
      this.#pending.set(id, { resolve, reject: refuse, onProgress, forget });
      this.#port.ref?.();
      try {
        this.#port.postMessage({ type, id, ...(onProgress ? {} : { quiet: true }), ...(priority && { priority }), ...args } as ToEngine, transfer);
      } catch (cause) {
        // Only a `wasm` of the caller's can be something that structured cloning refuses.
        const error = new HeatseekError('invalid_input', 'an argument cannot be sent to the worker', { cause });
        this.#take(id)?.reject(error);
      }
    });
  }

  /** Whether there will be no more answers. */
  get ended(): boolean {
    return this.#ended !== undefined;
  }

  /** Rejects what is under way with `error`, and every later call too; ends the engine. */
  end(error: HeatseekError): void {
    if (this.#ended) return;
    this.#ended = error;
    for (const id of [...this.#pending.keys()]) this.#take(id)?.reject(error);
    this.#port.removeEventListener('message', this.#onMessage);
    this.#port.removeEventListener('error', this.#onError);
    this.#port.removeEventListener('messageerror', this.#onError);
    this.#port.postMessage({ type: 'dispose' }, []);
    this.#close();
  }

  #take(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    pending?.forget();
    if (this.#pending.size === 0) this.#port.unref?.();
    return pending;
  }

  readonly #onMessage = ({ data: message }: { data: FromEngine }): void => {
    switch (message.type) {
      case 'ready':
        this.#ready = true;
        return;
      case 'device':
        this.onDevice?.(message.device);
        return;
      case 'progress':
        this.#pending.get(message.id)?.onProgress?.(message.progress);
        return;
      case 'result':
        this.#take(message.id)?.resolve(message.value as never);
        return;
      case 'error':
        this.#take(message.id)?.reject(errorFromData(message.error));
        return;
      default:
        message satisfies never;
    }
  };

  readonly #onError = (event: unknown): void => {
    const said = event instanceof Event && 'message' in event && event.message ? `: ${String(event.message)}` : '';
    this.end(
      this.#ready
        ? new HeatseekError('internal', `the worker stopped with an error${said}; load the model again`)
        : new HeatseekError(
            'unsupported',
            `the worker did not start${said}; check that its script can be fetched and that the page's ` +
              'Content-Security-Policy allows it (worker-src), or pass worker: false',
          ),
    );
  };
}
