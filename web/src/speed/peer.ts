/** transformers.js, where a visitor asks for it: its code and its model come from where they say. */

import type { Work } from './work.ts';

/** Where the other side comes from. */
export interface PeerSource {
  /** The address of its module. */
  readonly script: string;
  /** A hub id, or the address of a folder that is named like a model. */
  readonly model: string;
  readonly device: 'webgpu' | 'wasm';
  readonly dtype: 'fp32' | 'q8';
}

/** The other side, loaded. */
export interface Peer {
  readonly version: string;
  /** Milliseconds from fetching the module to a model that is ready. */
  readonly loadMs: number;
  readonly embed: () => Promise<{ data: Float32Array; width: number }>;
  readonly dispose: () => Promise<void>;
}

/** As far as it is used here. */
interface Library {
  readonly env: { version: string; allowLocalModels: boolean; remoteHost: string; remotePathTemplate: string; useBrowserCache: boolean };
  readonly RawImage: new (data: Uint8ClampedArray, width: number, height: number, channels: number) => unknown;
  pipeline(task: string, model: string, options: object): Promise<Pipeline>;
}

interface Pipeline {
  (inputs: readonly unknown[], options?: object): Promise<{ data: Float32Array; dims: readonly number[] }>;
  dispose(): Promise<void>;
}

/** Loads it as its documentation has it. */
export async function openPeer(source: PeerSource, work: Work): Promise<Peer> {
  const began = performance.now();
  const { env, pipeline, RawImage } = (await import(/* @vite-ignore */ source.script)) as Library;
  const address = /^(https?:|\.{0,2}\/)/.test(source.model) ? new URL(source.model.replace(/\/$/, ''), document.baseURI) : undefined;
  if (address) {
    // Not as a local path: given an address there, transformers.js 4.3.1 finds the graph and no tokenizer.
    env.allowLocalModels = false;
    env.remoteHost = new URL('.', address).href;
    env.remotePathTemplate = '{model}/';
  }
  const name = address ? (address.pathname.split('/').at(-1) ?? '') : source.model;
  const task = work.reads === 'text' ? 'feature-extraction' : 'image-feature-extraction';
  const extract = await pipeline(task, name, { device: source.device, dtype: source.dtype });
  const inputs = work.inputs().map((input) => (typeof input === 'string' ? input : new RawImage(rgb(input), input.width, input.height, 3)));
  const embed = async (): Promise<{ data: Float32Array; width: number }> => {
    if (work.reads === 'text') {
      const { data, dims } = await extract(inputs, { pooling: 'mean', normalize: true });
      return { data, width: dims[1] ?? 0 };
    }
    const { data, dims: [count = 0, tokens = 0, width = 0] } = await extract(inputs);
    const classes = new Float32Array(count * width);
    for (let i = 0; i < count; i++) classes.set(data.subarray(i * tokens * width, i * tokens * width + width), i * width);
    return { data: classes, width };
  };
  return { version: env.version, loadMs: performance.now() - began, embed, dispose: () => extract.dispose() };
}

function rgb({ data, width, height }: ImageData): Uint8ClampedArray {
  const opaque = new Uint8ClampedArray(width * height * 3);
  for (let i = 0; i < width * height; i++) opaque.set(data.subarray(4 * i, 4 * i + 3), 3 * i);
  return opaque;
}
