/** Keeping what is shown of a picture: picture, drawing, numbers, or a page of its own. */

import { button, el } from '../dom.ts';
import { drawOverlay, scaleFor } from '../draw/overlay.ts';
import { htmlFile, pngFile, save, svgFile } from '../export/files.ts';
import { Svg } from '../export/svg.ts';
import type { PictureEngine } from '../pictures/engine.ts';
import { heatOf, hiddenOf, rowOf, tokenName } from '../pictures/heat.ts';
import type { Maps } from '../pictures/maps.ts';
import type { LookState, Picture } from '../pictures/state.ts';
import { explain } from '../problems.ts';
import type { Store } from '../state.ts';

/** What can be kept: a picture whose maps are at hand. */
type Kept = LookState & { readonly picture: Picture; readonly maps: Maps };

export function pictureExport(page: Store, { store }: PictureEngine): HTMLElement {
  const kinds: readonly (readonly [string, string, (kept: Kept) => Blob | Promise<Blob>])[] = [
    ['png', 'A picture', (kept) => pngFile(scene(kept))],
    ['svg', 'A drawing', (kept) => svgFile(scene(kept))],
    ['json', 'The numbers of what is shown, and where the patches lie', (kept) => new Blob([JSON.stringify(numbers(kept))], { type: 'application/json' })],
    ['html', 'A page of its own, with the numbers of what is shown', (kept) => htmlFile(scene(kept), 'Where the model looked', [caption(kept)], numbers(kept))],
  ];
  const view = el('div', { class: 'row keep', role: 'group', 'aria-label': 'Keep what is shown' }, el('span', {}, 'Keep as'),
    ...kinds.map(([kind, title, make]) =>
      button(kind.toUpperCase(), () => {
        const { picture, maps } = store.state.looking;
        if (!picture || !maps) return;
        void Promise.resolve(make({ ...store.state.looking, picture, maps })).then(
          (file) => save(file, `heatseek-picture.${kind}`),
          (error: unknown) => page.complain(explain(error, `making the ${kind.toUpperCase()} file`)),
        );
      }, { class: 'chip', title, 'data-testid': `picture-export-${kind}` }),
    ),
  );
  store.watch(({ looking: { maps } }) => {
    view.hidden = maps === undefined;
  });
  return view;
}

function scene(kept: Kept): Svg {
  const { picture: { bitmap }, maps, look } = kept;
  const canvas = document.createElement('canvas');
  const patch = look.query - maps.layout.prefixTokens.length;
  drawOverlay(canvas, { picture: bitmap, heat: heatOf(maps, look), smooth: look.smooth, opacity: look.opacity, marked: patch >= 0 ? patch : undefined });
  const scale = scaleFor(bitmap);
  const svg = new Svg(canvas.width, canvas.height + 40);
  svg.image(0, 0, bitmap.width * scale, bitmap.height * scale, canvas);
  svg.text(8, canvas.height + 25, caption(kept), { size: 13 });
  return svg;
}

function caption({ maps, look, picture }: Kept): string {
  const head = look.head === 'all' ? `${look.fusion} of all heads` : `head ${look.head}`;
  return `${picture.name}: where the ${tokenName(maps.layout, look.query)} looks in layer ${look.layer}, ${head}`;
}

function numbers({ maps, look, picture }: Kept): unknown {
  const { bitmap: { width, height }, name } = picture;
  const { layer, head, fusion, query } = look;
  // The row as the model gave it: what the page leaves out is named, and not taken away.
  return { picture: { name, width, height }, layer, head, ...(head === 'all' ? { fusion } : {}), query, layout: maps.layout, leftOut: hiddenOf(maps, look), attention: [...(rowOf(maps, look) ?? [])] };
}
