// Pictures of 256 x 256 pixels: what DINOv2's processor would resize any picture to, so that its resizing, which
// the two libraries do not do alike, leaves them as they are and only the cut to 224 x 224 remains.
export const SIDE = 256;

/** The red, green and blue of a picture with smooth and busy parts, different for every `seed`. */
export function rgb(seed) {
  const data = new Uint8ClampedArray(SIDE * SIDE * 3);
  for (let i = 0; i < data.length; i++) {
    const [channel, x, y] = [i % 3, (Math.floor(i / 3) % SIDE) / SIDE, Math.floor(i / 3 / SIDE) / SIDE];
    const wave = Math.sin(6 * x + seed) + Math.cos(9 * x * y + channel);
    // Knuth's multiplicative hash as noise.
    const noise = (Math.imul(i + seed, 2654435761) >>> 8) / 2 ** 24 - 0.5;
    data[i] = 128 + 50 * wave + 80 * noise * y;
  }
  return data;
}

/** The same with an opaque fourth channel. */
export function rgba(seed) {
  const [opaque, data] = [rgb(seed), new Uint8ClampedArray(SIDE * SIDE * 4).fill(255)];
  for (let i = 0; i < SIDE * SIDE; i++) data.set(opaque.subarray(3 * i, 3 * i + 3), 4 * i);
  return data;
}

const pictures = (count) => Array.from({ length: count }, (_, seed) => ({ seed }));

/** As those of texts.mjs. */
export const CASES = {
  software: { '1x224': pictures(1), '4x224': pictures(4) },
  full: { '1x224': pictures(1), '4x224': pictures(4), '16x224': pictures(16) },
};
