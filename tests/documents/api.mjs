// docs/api.md, the reference of the npm package, made from its types and their comments: `npm run docs:api` writes it.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Application } from 'typedoc';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
export const API = join(ROOT, 'docs/api.md');

const HEAD = `# API reference

Made from the types of the npm package, whose comments are the manual: \`npm run docs:api\` writes it, and a test fails
when it is out of date. The [guides](guides/README.md) show how parts go together.

`;

/** The reference, as it should be. */
export async function reference() {
  const [main, archive] = [await textOf('index.ts', ['POOLINGS']), await textOf('archive.ts')];
  return `${HEAD}${contents(main)}\n**Of \`heatseek/archive\`**: ${linksIn(archive)}\n\n${main}\n# heatseek/archive\n\n${archive}`;
}

/** What a door of the package exports, but for what it is said not to. */
async function textOf(door, intentionallyNotExported = []) {
  const out = await mkdtemp(join(tmpdir(), 'heatseek-api-'));
  try {
    const app = await Application.bootstrapWithPlugins({
      entryPoints: [join(ROOT, 'pkg/src', door)],
      tsconfig: join(ROOT, 'pkg/tsconfig.json'),
      // TypeDoc brings a TypeScript of its own; `npm run check` of the package finds errors of types with the newest.
      skipErrorChecking: true,
      plugin: ['typedoc-plugin-markdown'],
      logLevel: 'Warn',
      treatWarningsAsErrors: true,
      intentionallyNotExported,
      excludeExternals: true,
      excludeInternal: true,
      excludePrivate: true,
      disableSources: true,
      disableGit: true,
      readme: 'none',
      sort: ['source-order'],
      groupOrder: ['Functions', 'Classes', 'Interfaces', 'Type Aliases', 'Variables'],
      out,
      outputFileStrategy: 'modules',
      entryFileName: 'api',
      hidePageHeader: true,
      hidePageTitle: true,
      hideBreadcrumbs: true,
      useCodeBlocks: true,
      expandObjects: true,
      expandParameters: true,
      parametersFormat: 'table',
      interfacePropertiesFormat: 'table',
      classPropertiesFormat: 'table',
      typeAliasPropertiesFormat: 'table',
      typeDeclarationFormat: 'table',
      tableColumnSettings: { hideDefaults: true, hideInherited: true, hideModifiers: true, hideOverrides: true, hideSources: true },
    });
    const project = await app.convert();
    if (!project) throw new Error('TypeDoc could not read the types');
    project.children?.forEach(tellMembers);
    app.validate(project);
    await app.generateOutputs(project);
    if (app.logger.hasErrors() || app.logger.hasWarnings()) throw new Error('TypeDoc warns, see above: a comment links to what is not there');
    const text = await readFile(join(out, 'api.md'), 'utf8');
    return `${text.replaceAll(/ +$/gm, '').trimEnd()}\n`;
  } finally {
    await rm(out, { recursive: true, force: true });
  }
}

/** What is said of each member of a union, which the plugin leaves out, put behind what is said of the union. */
function tellMembers({ comment, type }) {
  type?.elementSummaries?.forEach((summary, at) => {
    comment.summary.push({ kind: 'text', text: `\n- \`${type.types[at].value}\`: ` }, ...summary);
  });
}

/** What there is, by kind, in the order of the alphabet. */
function contents(text) {
  return text.split(/^## /m).slice(1).map((group) => {
    const [title] = group.split('\n');
    return `**${title}**: ${linksIn(group)}\n`;
  }).join('\n');
}

function linksIn(text) {
  const names = [...text.matchAll(/^### (\w+)/gm)].map(([, name]) => name).sort((a, b) => a.localeCompare(b, 'en'));
  return names.map((name) => `[${name}](#${name.toLowerCase()})`).join(', ');
}

if (process.argv.includes('--write')) await writeFile(API, await reference());
