// Draws the icons of the installed page as PNG: `node web/scripts/icons.mjs`. They are the circles of public/icons/icon.svg;
// a maskable one has a ground to its edges, and its circles within the safe zone (80 % across).
import { readFileSync, writeFileSync } from 'node:fs';
import { crc32, deflateSync } from 'node:zlib';

const FOLDER = new URL('../public/icons/', import.meta.url);
const SIDE = 32;
// Points per pixel and direction, for soft edges.
const SAMPLES = 4;
const PAPER = [0xfa, 0xf7, 0xf2];

const circles = [...readFileSync(new URL('icon.svg', FOLDER), 'utf8').matchAll(/r="([\d.]+)" fill="#(\w\w)(\w\w)(\w\w)"/g)].map(
  ([, radius, ...rgb]) => ({ radius: Number(radius), rgb: rgb.map((byte) => Number.parseInt(byte, 16)) }),
);

/** RGBA of a square icon; with a `ground` it is opaque. `scale` is of the circles. */
function draw(size, scale, ground) {
  const pixels = Buffer.alloc(size * size * 4);
  for (let at = 0; at < size * size; at++) {
    let [red, green, blue, alpha] = [0, 0, 0, 0];
    for (let sample = 0; sample < SAMPLES * SAMPLES; sample++) {
      const x = ((at % size) + ((sample % SAMPLES) + 0.5) / SAMPLES) / size - 0.5;
      const y = (Math.floor(at / size) + (Math.floor(sample / SAMPLES) + 0.5) / SAMPLES) / size - 0.5;
      const distance = (Math.hypot(x, y) * SIDE) / scale;
      const rgb = circles.findLast(({ radius }) => distance <= radius)?.rgb ?? ground;
      if (!rgb) continue;
      [red, green, blue, alpha] = [red + rgb[0], green + rgb[1], blue + rgb[2], alpha + 1];
    }
    if (alpha > 0) pixels.set([red / alpha, green / alpha, blue / alpha, (alpha * 255) / SAMPLES ** 2].map(Math.round), at * 4);
  }
  return pixels;
}

/** As PNG (W3C, third edition): each row behind a filter byte, here none. */
function png(size, pixels) {
  const rows = Buffer.concat(Array.from({ length: size }, (_, y) => [Buffer.from([0]), pixels.subarray(y * size * 4, (y + 1) * size * 4)]).flat());
  const header = Buffer.alloc(13);
  header.writeUInt32BE(size, 0);
  header.writeUInt32BE(size, 4);
  header.set([8, 6, 0, 0, 0], 8); // 8 bits a channel, RGBA
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    sum.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, sum]);
  };
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', deflateSync(rows, { level: 9 })), chunk('IEND', Buffer.alloc(0))]);
}

const write = (name, size, scale, ground) => writeFileSync(new URL(name, FOLDER), png(size, draw(size, scale, ground)));
write('icon-192.png', 192, 1);
write('icon-512.png', 512, 1);
write('maskable-512.png', 512, 0.72, PAPER);
// Of phones that fill what is transparent with black.
write('apple-touch-180.png', 180, 0.8, PAPER);
