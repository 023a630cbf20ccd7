type Bytes = Uint8Array<ArrayBuffer>;

const READ_BYTES = 256 << 10;

/**
 * A stream's chunks, one by one; leaving the loop cancels it. A chunk lasts until the next is asked for: where the stream allows
 * it, all are read into the same memory, of which a garbage collector would else find a file's worth later.
 */
export async function* chunksOf(stream: ReadableStream<Bytes> | null): AsyncGenerator<Bytes, void, void> {
  if (!stream) return;
  const read = readerOf(stream);
  try {
    for (let chunk = await read.next(); chunk; chunk = await read.next()) yield chunk;
  } finally {
    // Of a stream that is at its end this does nothing.
    await read.cancel().catch(() => {});
  }
}

interface Reader {
  next(): Promise<Bytes | undefined>;
  cancel(): Promise<void>;
}

function readerOf(stream: ReadableStream<Bytes>): Reader {
  const reader = byteReader(stream);
  if (!reader) {
    const chunks = stream.getReader();
    return { next: async () => (await chunks.read()).value, cancel: () => chunks.cancel() };
  }
  let memory: ArrayBuffer = new ArrayBuffer(READ_BYTES);
  return {
    async next() {
      const { done, value } = await reader.read(new Uint8Array(memory));
      if (value) memory = value.buffer;
      return done ? undefined : value;
    },
    cancel: () => reader.cancel(),
  };
}

/** Streams of others are no streams of bytes, and in some browsers none is. */
function byteReader(stream: ReadableStream<Bytes>): ReadableStreamBYOBReader | undefined {
  try {
    return stream.getReader({ mode: 'byob' });
  } catch {
    return undefined;
  }
}
