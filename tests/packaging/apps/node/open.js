// open.js MODEL: opens the index that hold.js made, and prints what came of it as JSON.
import process from 'node:process';
import { createIndex, load } from 'heatseek';

const model = await load(process.argv[2]);
try {
  const { size, persisted } = await createIndex({ model, name: 'held' });
  console.log(JSON.stringify({ size, persisted }));
} catch ({ code }) {
  console.log(JSON.stringify({ code }));
}
