/** Threads with the interface of web workers. */
import { type TransferListItem, Worker as NodeWorker, parentPort, workerData } from 'node:worker_threads';

/** A thread that is given over to us, or that we start. */
export class Thread extends EventTarget {
  readonly #worker!: NodeWorker;
  /** Whether it is of the caller's, who says whether the process waits for it. */
  readonly #lent!: boolean;

  constructor(worker: NodeWorker | URL | string, { name }: { readonly name?: string } = {}) {
    super();
    // Threads take no scripts from the web, but Deno's workers do.
    if (isAddress(worker) && !/^(file|data):/.test(String(worker)) && 'Worker' in globalThis) {
      return new Worker(worker, { type: 'module', name: name ?? '' }) as unknown as Thread;
    }
    this.#lent = !isAddress(worker);
    const started = isAddress(worker) ? new NodeWorker(new URL(worker), { name: name ?? '', workerData: { name } }) : worker;
    this.#worker = started;
    started.on('message', (data: unknown) => this.dispatchEvent(Object.assign(new Event('message'), { data })));
    started.on('messageerror', () => this.dispatchEvent(new Event('messageerror')));
    started.on('error', (error: Error) => this.dispatchEvent(Object.assign(new Event('error'), { message: error.message })));
    // Who has ended it does not listen any more; otherwise memory ran out, or somebody called process.exit() in it.
    started.on('exit', (code) => this.dispatchEvent(Object.assign(new Event('error'), { message: `it ended with code ${code}` })));
  }

  postMessage(message: unknown, transfer: readonly Transferable[] = []): void {
    this.#worker.postMessage(message, transfer as readonly TransferListItem[]);
  }

  /** While somebody waits for an answer, the process goes on. */
  ref(): void {
    if (!this.#lent) this.#worker.ref();
  }

  unref(): void {
    if (!this.#lent) this.#worker.unref();
  }

  terminate(): void {
    void this.#worker.terminate();
  }
}

const isAddress = (worker: unknown): worker is URL | string => typeof worker === 'string' || worker instanceof URL;

export function asWorker(worker: object): Worker {
  const web = 'addEventListener' in worker;
  return (web ? worker : new Thread(worker as NodeWorker)) as unknown as Worker;
}

/** The scope of a thread that runs `heatseek/worker`. */
export function scope(): unknown {
  if (!parentPort) throw new Error('heatseek/worker is the script of a worker; import heatseek');
  const port = parentPort;
  const { name } = (workerData ?? {}) as { name?: string };
  return {
    name,
    postMessage: (message: unknown, transfer: readonly TransferListItem[] = []) => port.postMessage(message, transfer),
    addEventListener(_: 'message', listener: (event: { data: unknown }) => void, { once = false } = {}) {
      port[once ? 'once' : 'on']('message', (data: unknown) => listener({ data }));
    },
  };
}
