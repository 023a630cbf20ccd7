// embed.js MODEL TEXT [OPTIONS]: prints vectors as JSON, and ends though nobody disposed of the model.
import process from 'node:process';
import { load } from 'heatseek';

const [model, text, options = '{}'] = process.argv.slice(2);
const loaded = await load(model, JSON.parse(options));
const { data, shape } = await loaded.embed([text]);
console.log(JSON.stringify({ data: [...data], shape, info: loaded.info, warnings: loaded.warnings }));
