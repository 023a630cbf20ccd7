// The package outside of browsers: Node, and Deno as npm has it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, rm, symlink } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { installTools, models, pack, root, run } from './package.mjs';
import { serve } from './serve.mjs';

const SMALL = join(root, 'tests/golden/models/bert-cls-normalize');
const ID = 'owner/small';
const RUNTIMES = {
  Node: { command: () => [process.execPath] },
  Deno: {
    command: (tools) => [join(tools, 'node_modules/.bin/deno'), 'run', '--quiet', '--no-prompt', ...['read', 'write', 'net', 'env', 'sys'].map((name) => `--allow-${name}`)],
    // The others are Node's, too, and Deno takes a second to load a model.
    ways: ['relative', 'hub', 'inThisThread', 'ownWorker'],
  },
};

let it;
let app;
let tools;
let hub;

before(async () => {
  [it, tools] = await Promise.all([pack(), installTools()]);
  app = await it.install('node');
  // As a hub lays them out.
  const mirror = join(it.folder, 'hub', ID, 'resolve');
  await mkdir(mirror, { recursive: true });
  await symlink(SMALL, join(mirror, 'main'));
  hub = await serve(join(it.folder, 'hub'));
});

after(async () => {
  await hub?.close();
  await it?.end();
});

for (const [name, { command, ways }] of Object.entries(RUNTIMES)) {
  /** How a script of the app is run. */
  const commandOf = (script, more) => {
    const [program, ...flags] = command(tools);
    const env = { ...process.env, NO_COLOR: '1', HEATSEEK_CACHE: join(it.folder, name, 'cache'), HEATSEEK_DATA: join(it.folder, name, 'data') };
    return [program, [...flags, script, ...more], { cwd: app, env }];
  };

  /** What a script of the app prints, which ends by itself and complains of nothing. */
  const said = async (script, ...more) => {
    const [program, args, options] = commandOf(script, more);
    const { stdout, stderr } = await run(program, args, { ...options, timeout: 120_000, maxBuffer: 1 << 24 });
    assert.equal(stderr, '');
    return JSON.parse(stdout);
  };

  test(`${name}: a folder's path gives PyTorch's vector`, async () => {
    const found = await said('embed.js', `./${relative(app, join(models, 'all-MiniLM-L6-v2'))}`, it.expected.text);
    it.isGolden(found);
    assert.equal(found.info.device.kind, 'cpu');
    assert.deepEqual(found.warnings, []);
  });

  test(`${name}: models from everywhere, workers of every kind, and what is kept`, async () => {
    const places = {
      relative: `./${relative(app, SMALL)}`,
      url: `${pathToFileURL(SMALL)}/`,
      remote: `${hub.url}${ID}/resolve/main/`,
      hub: hub.url,
      id: ID,
      text: 'Bees 🐝 dance.',
      ways,
    };
    const found = await said('tour.js', JSON.stringify(places));
    const { relative: expected, ...others } = found.vectors;
    assert.ok(Math.abs(Math.hypot(...expected) - 1) < 1e-5);
    for (const [way, vector] of Object.entries(others)) assert.deepEqual(vector, expected, way);

    assert.deepEqual(found.opened, { size: 0, persisted: 'folder' });
    assert.deepEqual(found.indexes, [{ name: 'notes', persisted: 'folder' }]);
    assert.equal(found.locked?.code, 'locked');
    assert.equal(found.hit, places.text);
    assert.deepEqual(found.deleted, [true, false, 0]);

    // The hub's address and the plain one are the same model.
    assert.deepEqual(found.cached.map(([url, complete]) => [url, complete]), [[places.remote, true]]);
    assert.deepEqual(found.isCached, [true, false]);
    assert.ok((await readdir(join(it.folder, name, 'cache/models'))).length > 0);

    const { missing, gpu, blocked } = found;
    assert.equal(missing.name, 'HeatseekError');
    assert.equal(missing.code, 'not_found');
    assert.match(missing.message, /config\.json.*no such folder/);
    assert.equal(gpu.code, 'unsupported');
    assert.equal(blocked.code, 'invalid_input');
    assert.equal(found.beginsAgain, expected.length);
  });

  test(`${name}: an index is one process's, until that is killed, and what it stored is there`, async () => {
    const model = `./${relative(app, SMALL)}`;
    const holder = spawn(...commandOf('hold.js', [model]));
    try {
      await once(holder.stdout, 'data');
      assert.deepEqual(await said('open.js', model), { code: 'locked' });
    } finally {
      holder.kill('SIGKILL');
    }
    await once(holder, 'exit');
    assert.deepEqual(await said('open.js', model), { size: 1, persisted: 'folder' });
  });

  test(`${name}: what was kept loads without a network`, async () => {
    const alone = await serve(join(it.folder, 'hub'));
    const url = `${alone.url}${ID}/resolve/main/`;
    const online = await said('embed.js', url, 'bees');
    await alone.close();
    assert.deepEqual((await said('embed.js', url, 'bees', JSON.stringify({ retries: 0 }))).data, online.data);
    await rm(join(it.folder, name, 'cache'), { recursive: true });
    await assert.rejects(said('embed.js', url, 'bees', JSON.stringify({ retries: 0 })), /could not be fetched: no answer/);
  });
}
