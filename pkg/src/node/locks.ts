/** Locks among all processes and threads of a user, with the interface of the web's, as far as it is used here. */
import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { type Server, connect, createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';

/** How often a lock that somebody holds is asked for, in milliseconds. */
const AGAIN_MS = 50;

/**
 * A lock is a socket that nobody talks to: the system has each name once, and takes it back when the process or the thread
 * ends that has it, however it ends. Nothing is left behind that would have to be told from a lock that is held.
 */
export class SocketLocks {
  readonly #scope: () => string;

  /** @param scope what names of locks are of: a folder */
  constructor(scope: () => string) {
    this.#scope = scope;
  }

  get manager(): LockManager {
    return this as unknown as LockManager;
  }

  async request(name: string, { signal }: { readonly signal: AbortSignal }, held: () => Promise<void>): Promise<void> {
    const address = addressOf(`${userInfo().username}\n${this.#scope()}\n${name}`);
    let server = await listening(address);
    while (!server) {
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      signal.throwIfAborted();
      server = await listening(address);
    }
    try {
      await held();
    } finally {
      server.close();
    }
  }
}

/** Where the system has names of sockets that are no files, one of them; elsewhere a file, as short as it must be. */
function addressOf(what: string): string {
  const name = `heatseek-${createHash('sha256').update(what).digest('hex').slice(0, 32)}`;
  if (process.platform === 'win32') return `\\\\.\\pipe\\${name}`;
  return process.platform === 'linux' ? `\0${name}` : join(tmpdir(), name);
}

/** The socket; undefined if somebody has it. */
async function listening(address: string): Promise<Server | undefined> {
  const server = await listen(address);
  if (server || !address.startsWith('/') || (await answers(address))) return server;
  // A file that was left behind by a process that was killed.
  await rm(address, { force: true });
  return listen(address);
}

function listen(address: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error: NodeJS.ErrnoException) => (error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error)));
    // A lock is no reason for a process to go on.
    server.listen(address, () => resolve(server.unref()));
  });
}

function answers(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(address, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
