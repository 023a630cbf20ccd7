// Pictures that are like another, and where the model looked. Nothing is sent anywhere.
import { load } from 'heatseek';

// A folder beside the page, or 'facebook/dinov2-small' to have it from Hugging Face.
const MODEL = '../../../models/dinov2-small/';

const input = document.querySelector('input');
const status = document.querySelector('output');
const figure = document.querySelector('figure');
const canvas = document.querySelector('canvas');
const caption = document.querySelector('small');
const list = document.querySelector('ol');

/** @type {{ file: File, vector: Float32Array, element: HTMLLIElement }[]} */
const photos = [];

/** Fetched when there is a picture to look at. */
let vision;
const model = () => (vision ??= load(MODEL, {
  onProgress({ stage, loaded, total }) {
    if (stage === 'download') status.value = `Fetching the model: ${Math.round((100 * loaded) / total)} %`;
  },
}));

async function add(files) {
  try {
    const loaded = await model();
    for (const [at, file] of files.entries()) {
      status.value = `Looking at ${at + 1} of ${files.length}`;
      // One at a time, so that each is there as soon as it can be. Unit length: then a dot product is the cosine.
      const { data: vector } = await loaded.embed(file, { normalize: true });
      const photo = { file, vector, element: document.createElement('li') };
      photo.element.append(thumbnail(photo), document.createElement('small'));
      photos.push(photo);
      list.append(photo.element);
    }
    status.value = `${photos.length} pictures`;
  } catch (error) {
    status.value = error.message;
  }
}

function thumbnail(photo) {
  const button = document.createElement('button');
  const img = document.createElement('img');
  img.src = URL.createObjectURL(photo.file);
  img.alt = photo.file.name;
  button.append(img);
  button.onclick = () => look(photo).catch((error) => (status.value = error.message));
  return button;
}

/** Puts the pictures most like this one first, and shows where the model looked in it. */
async function look(photo) {
  const likeness = (other) => other.vector.reduce((sum, x, i) => sum + x * photo.vector[i], 0);
  const ranked = photos.map((other) => ({ ...other, score: likeness(other) })).sort((a, b) => b.score - a.score);
  for (const { element, score } of ranked) element.querySelector('small').textContent = score.toFixed(2);
  list.replaceChildren(...ranked.map(({ element }) => element));

  const { numHiddenLayers } = (await model()).info;
  // What the class token, which becomes the vector, looked at in the last layer: the mean of its heads.
  const { data, layout } = await (await model()).attention(photo.file, {
    layers: [numHiddenLayers - 1], reduce: 'mean', query: 0,
  });
  const picture = await createImageBitmap(photo.file);
  draw(picture, data.subarray(layout.prefixTokens.length), layout);
  caption.textContent = `Where the model looked in ${photo.file.name}. It shows what was taken in, not why pictures are alike.`;
  figure.hidden = false;
}

/** The picture, dark where the model did not look. */
function draw(picture, patches, { grid, crop }) {
  canvas.width = crop.width;
  canvas.height = crop.height;
  const context = canvas.getContext('2d');
  context.drawImage(picture, crop.x, crop.y, crop.width, crop.height, 0, 0, crop.width, crop.height);
  const shade = new ImageData(grid.columns, grid.rows);
  const most = Math.max(...patches);
  patches.forEach((value, at) => {
    // The root, for a few patches get most of it and nothing else would be seen.
    shade.data[4 * at + 3] = 230 * (1 - Math.sqrt(value / most));
  });
  const small = new OffscreenCanvas(grid.columns, grid.rows);
  small.getContext('2d').putImageData(shade, 0, 0);
  context.drawImage(small, 0, 0, crop.width, crop.height);
}

input.onchange = () => add([...input.files]);
document.ondragover = (event) => event.preventDefault();
document.ondrop = (event) => {
  event.preventDefault();
  add([...event.dataTransfer.files].filter(({ type }) => type.startsWith('image/')));
};
