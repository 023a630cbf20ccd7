/** The pictures that come with the page, where they are there. */

import type { SamplePicture } from './state.ts';

export const SAMPLES: readonly SamplePicture[] = [
  { file: 'chelsea.png', name: 'Chelsea the cat', credit: 'Stéfan van der Walt, CC0' },
  { file: 'coffee.png', name: 'A cup of coffee', credit: 'Rachel Michetti, courtesy of Pikolo Espresso Bar, CC0' },
  { file: 'astronaut.png', name: 'Eileen Collins', credit: 'NASA, public domain' },
  { file: 'camera.png', name: 'A photographer', credit: 'Lav Varshney, CC0' },
  { file: 'coins.png', name: 'Coins from Pompeii', credit: 'Brooklyn Museum, no known copyright restrictions' },
];

const FOLDER = 'sample/pictures/';

/** Which of them the site has. The list is part of the site, so that a missing picture is no failed request. */
export async function presentSamples(): Promise<readonly SamplePicture[]> {
  try {
    const response = await fetch(new URL(`${FOLDER}present.json`, document.baseURI));
    const files: unknown = response.ok ? await response.json() : [];
    return Array.isArray(files) ? SAMPLES.filter(({ file }) => files.includes(file)) : [];
  } catch {
    return [];
  }
}

export async function fetchSample({ file, name }: SamplePicture): Promise<File> {
  const response = await fetch(new URL(FOLDER + file, document.baseURI));
  if (!response.ok) throw new Error(`${file}: ${response.status}`);
  return new File([await response.blob()], name, { type: 'image/png' });
}
