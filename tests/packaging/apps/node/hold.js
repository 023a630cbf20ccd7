// hold.js MODEL: has an index open, says so, and goes on until it is killed.
import process from 'node:process';
import { createIndex, load } from 'heatseek';

const model = await load(process.argv[2]);
const index = await createIndex({ model, name: 'held' });
await index.add({ id: 'bees', text: 'Bees dance.' });
console.log('held');
setInterval(() => {}, 1000);
