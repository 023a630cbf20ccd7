import { describe, expect, test, vi } from 'vitest';
import { load } from '../src/load.js';
import { choose, compile } from '../src/variant.js';

const both = { baseline: 'https://a.example/baseline.wasm', relaxed: 'https://a.example/relaxed.wasm' };

/** A browser that has relaxed SIMD, and may refuse to set aside as much shared memory as is asked for. */
function browser({ relaxed, mostPages = 65536 }: { relaxed: boolean; mostPages?: number }) {
  const { Memory, Module, compile } = WebAssembly;
  const asked: WebAssembly.MemoryDescriptor[] = [];
  vi.stubGlobal('WebAssembly', {
    Module,
    compile,
    validate: vi.fn((_: BufferSource) => relaxed),
    Memory: class {
      constructor(descriptor: WebAssembly.MemoryDescriptor) {
        asked.push(descriptor);
        if (descriptor.shared && (descriptor.maximum ?? 0) > mostPages) throw new RangeError('no room');
        return new Memory({ ...descriptor, ...(descriptor.shared && { maximum: 512 }) });
      }
    },
  });
  return { asked };
}

describe('which build is used', () => {
  test('the relaxed one over shared memory, where the browser has both', () => {
    const { asked } = browser({ relaxed: true });
    const { variant, source, memory } = choose(both);
    expect([variant, source]).toEqual(['relaxed', both.relaxed]);
    expect(memory.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(asked).toEqual([{ initial: 256, maximum: 65536, shared: true }]);
  });

  test('the baseline over memory of its own, where it has not', () => {
    const { asked } = browser({ relaxed: false });
    const { variant, source, memory } = choose(both);
    expect([variant, source]).toEqual(['baseline', both.baseline]);
    expect(memory.buffer).toBeInstanceOf(ArrayBuffer);
    expect(asked).toEqual([{ initial: 256 }]);
  });

  test('less shared memory, where 4 GiB are too much', () => {
    browser({ relaxed: true, mostPages: 20_000 });
    expect(choose(both).variant).toBe('relaxed');
  });

  test('the baseline, where there is no room for shared memory', () => {
    browser({ relaxed: true, mostPages: 0 });
    expect(choose(both).variant).toBe('baseline');
  });

  test('the only one that is given', () => {
    browser({ relaxed: true });
    expect(choose({ baseline: both.baseline, relaxed: undefined }).source).toBe(both.baseline);
  });

  test('the probe is a module that only relaxed SIMD keeps browsers from taking', () => {
    browser({ relaxed: true });
    choose(both);
    const [[given]] = vi.mocked(WebAssembly.validate).mock.calls as [[Uint8Array]];
    vi.unstubAllGlobals();
    // i8x16.swizzle, 0x0e, in the place of i8x16.relaxed_swizzle, 0x100, and what is a byte shorter for that.
    const probe = [...given];
    const at = probe.length - 4;
    expect(probe.slice(at)).toEqual([0xfd, 0x80, 0x02, 0x0b]);
    probe.splice(at + 1, 2, 0x0e);
    const code = probe.indexOf(0x0a, 22);
    probe[code + 1]! -= 1;
    probe[code + 3]! -= 1;
    expect(WebAssembly.validate(new Uint8Array(probe))).toBe(true);
    // An instruction that does not exist.
    expect(WebAssembly.validate(new Uint8Array(probe.with(at + 1, 0x9a)))).toBe(false);
  });
});

test.each([
  [{ relaxed: new Uint8Array(8) }, 'wasm.baseline'],
  [{ baseline: new Uint8Array(8), relaxed: 1 }, 'wasm.relaxed'],
  [{ baseline: new Uint8Array(8), relaxed: new Uint8Array(8), other: 1 }, 'other'],
])('of %j it is said what is wrong', async (wasm, where) => {
  const refused = load('https://a.example/model/', { wasm: wasm as never });
  await expect(refused).rejects.toMatchObject({ code: 'invalid_input', message: expect.stringContaining(where) });
});

describe('compiling it', () => {
  const module = new Uint8Array([0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]);
  const signal = new AbortController().signal;

  test('from bytes, a module, or an address of any content type', async () => {
    const compiled = await compile(module, signal);
    expect(compiled).toBeInstanceOf(WebAssembly.Module);
    expect(await compile(compiled, signal)).toBe(compiled);
    for (const type of ['application/wasm', 'application/octet-stream']) {
      vi.stubGlobal('fetch', async () => new Response(module, { headers: { 'content-type': type } }));
      expect(await compile(both.relaxed, signal)).toBeInstanceOf(WebAssembly.Module);
    }
  });

  test('says what is wrong with an address', async () => {
    vi.stubGlobal('fetch', async () => new Response('<html>', { headers: { 'content-type': 'text/html' } }));
    await expect(compile(both.relaxed, signal)).rejects.toMatchObject({ code: 'not_found' });
    vi.stubGlobal('fetch', async () => { throw new TypeError('offline'); });
    await expect(compile(both.relaxed, signal)).rejects.toMatchObject({ code: 'network' });
  });
});
