import { expect, test } from 'vitest';
import { load } from '../src/load.js';
import type { FromEngine, ToEngine } from '../src/protocol.js';
import type { LoadOptions } from '../src/types.js';

/** What `load` asks of a worker, which refuses. */
async function asked(options: LoadOptions): Promise<object> {
  const sent: ToEngine[] = [];
  let tell: (event: { data: FromEngine }) => void = () => {};
  const worker = {
    postMessage(message: ToEngine) {
      sent.push(message);
      if (message.type === 'load') {
        queueMicrotask(() => tell({ data: { type: 'error', id: message.id, error: { code: 'unsupported', message: 'no' } } }));
      }
    },
    addEventListener: (type: string, listener: typeof tell) => void (type === 'message' && (tell = listener)),
    removeEventListener() {},
  };
  const loading = load('https://models.test/a/', { worker: worker as never, wasm: new Uint8Array(8), ...options });
  await expect(loading).rejects.toMatchObject({ code: 'unsupported', message: 'no' });
  return sent.find(({ type }) => type === 'load') ?? {};
}

test.each<[LoadOptions['dtype'], string]>([
  [undefined, 'f32'], ['auto', 'auto'],
  ['f32', 'f32'], ['fp32', 'f32'],
  ['f16', 'f16'], ['fp16', 'f16'],
  ['int8', 'int8'], ['q8', 'int8'],
])('dtype %s is asked for as %s', async (dtype, name) => {
  expect(await asked({ dtype })).toMatchObject({ dtype: name });
});

test.each<[LoadOptions['tune'], string]>([[undefined, 'never'], ['idle', 'idle'], ['now', 'now'], ['never', 'never']])(
  'tune %s is asked for as %s', async (tune, name) => expect(await asked({ tune })).toMatchObject({ tune: name }),
);

test('another way to tune is refused with the ways there are', async () => {
  await expect(load('https://models.test/a/', { tune: 'always' as never })).rejects.toMatchObject({
    code: 'invalid_input', message: expect.stringMatching(/tune.*never.*idle.*now/s),
  });
});
