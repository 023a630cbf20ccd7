import { expect, test } from 'vitest';
import { load } from '../src/load.js';
import type { FromEngine, ToEngine } from '../src/protocol.js';
import type { LoadOptions, ModelSource } from '../src/types.js';

/** What `load` asks of a worker, which refuses. */
async function asked(options: LoadOptions, model: ModelSource = 'https://models.test/a/'): Promise<object> {
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
  const loading = load(model, { worker: worker as never, wasm: new Uint8Array(8), ...options });
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

test('the worker is told where the files are, and fetches by itself', async () => {
  const headers = { Authorization: 'Bearer x' };
  expect(await asked({ headers, hub: 'https://mirror.test', revision: 'v1', retries: 0 }, 'owner/name')).toMatchObject({
    source: {
      base: 'https://mirror.test/owner/name/resolve/v1/', headers: { authorization: 'Bearer x' }, immutable: false,
      listing: 'https://mirror.test/api/models/owner/name/tree/v1?recursive=true',
    },
    retries: 0,
    lender: undefined,
  });
  expect(await asked({})).toMatchObject({ retries: 4 });
  expect(await asked({}, { 'config.json': new Blob(['{}']) })).toMatchObject({ source: { files: expect.any(Map) } });
});

test.each<[string, LoadOptions]>([
  ['fetch', { fetch: () => new Response() }],
  ['headers', { headers: () => ({}) }],
])('a function for %s stays in this thread, which fetches', async (_, options) => {
  expect(await asked(options)).toMatchObject({ lender: expect.any(MessagePort) });
});

test.each<[LoadOptions, RegExp]>([
  [{ headers: () => ({}) }, /^headers is given, but files of the user's are not fetched$/],
  [{ fetch: () => new Response() }, /^fetch is given, but/],
  [{ hub: 'https://mirror.test' }, /^hub is given, but files of the user's/],
])('files of the user’s are not to be fetched: %j', async (options, message) => {
  const model = { 'config.json': new Blob(['{}']) };
  await expect(load(model, options)).rejects.toMatchObject({ code: 'invalid_input', message: expect.stringMatching(message) });
});

test.each<[object, RegExp]>([
  [{ headers: 'Bearer secret' }, /^headers cannot be sent; expected names and values of HTTP headers$/],
  [{ headers: null }, /^headers cannot be sent/],
  [{ fetch: 'fetch' }, /^fetch is 'fetch'; expected a function$/],
  [{ retries: -1 }, /^retries is -1; expected a whole number, 0 or more$/],
])('%j is refused', async (options, message) => {
  await expect(load('owner/name', options)).rejects.toMatchObject({ code: 'invalid_input', message: expect.stringMatching(message) });
});
