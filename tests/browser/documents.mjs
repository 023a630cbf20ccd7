// One file of each kind that the page reads, made here so that what is in them can be seen. Each of them tries to run a script.
import { strToU8, zipSync } from 'fflate';

/** Says so on the page if it is ever run. */
export const EVIL = `window.hacked=(window.hacked||0)+1`;
const TAGS = `<img src=x onerror="${EVIL}"><script>${EVIL}</script>`;

/** A PDF file with pages of lines, and a script that runs when it is opened. */
export function pdf(pages) {
  const objects = [];
  const add = (body) => objects.push(body);
  const kids = pages.map((_, at) => `${5 + 2 * at} 0 R`).join(' ');
  add('<< /Type /Catalog /Pages 2 0 R /OpenAction 4 0 R >>');
  add(`<< /Type /Pages /Count ${pages.length} /Kids [${kids}] >>`);
  add('<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>');
  add(`<< /S /JavaScript /JS (${EVIL.replace(/[()]/g, '\\$&')}) >>`);
  pages.forEach((lines, at) => {
    add(`<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >> /Contents ${6 + 2 * at} 0 R >>`);
    const text = lines.map((line) => `(${line.replace(/[()\\]/g, '\\$&')}) Tj 0 -14 Td`).join('\n');
    const stream = `BT /F1 12 Tf 72 700 Td\n${text}\nET`;
    add(`<< /Length ${stream.length} >>\nstream\n${stream}\nendstream`);
  });
  let out = '%PDF-1.4\n';
  const offsets = objects.map((body, at) => {
    const offset = out.length;
    out += `${at + 1} 0 obj\n${body}\nendobj\n`;
    return offset;
  });
  const table = offsets.map((offset) => `${String(offset).padStart(10, '0')} 00000 n \n`).join('');
  out += `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${table}trailer\n<< /Size ${objects.length + 1} /Root 1 0 R >>\nstartxref\n${out.length}\n%%EOF\n`;
  return Buffer.from(out, 'latin1');
}

/** A Word document: a heading, paragraphs, a table, text that was deleted, and a note. */
export function docx() {
  const w = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"';
  const p = (inner, properties = '') => `<w:p><w:pPr>${properties}</w:pPr>${inner}</w:p>`;
  const r = (text) => `<w:r><w:t xml:space="preserve">${text}</w:t></w:r>`;
  const escaped = TAGS.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  const document = `<w:document ${w}><w:body>
    ${p(r('Beavers'), '<w:pStyle w:val="berschrift1"/>')}
    ${p(`${r('A beaver dams the ')}<w:del><w:r><w:delText>deleted</w:delText></w:r></w:del>${r('stream with branches and mud.')}`)}
    ${p(r('Teeth that grow'), '<w:numPr/>')}
    <w:tbl><w:tr><w:tc>${p(r('Lodge'))}</w:tc><w:tc>${p(r('of sticks'))}</w:tc></w:tr></w:tbl>
    ${p(r(escaped))}</w:body></w:document>`;
  const styles = `<w:styles ${w}><w:style w:styleId="berschrift1"><w:name w:val="heading 1"/></w:style></w:styles>`;
  const notes = `<w:footnotes ${w}><w:footnote>${p(r('They are rodents.'))}</w:footnote></w:footnotes>`;
  return Buffer.from(zipSync({ 'word/document.xml': strToU8(document), 'word/styles.xml': strToU8(styles), 'word/footnotes.xml': strToU8(notes) }));
}

/** Files by name, as playwright takes them, and a question that each of them alone answers. */
export const DOCUMENTS = [
  ['bees.txt', `A honeybee that found flowers dances on the comb for its sisters. ${TAGS}`, 'How do bees tell each other where food is?'],
  [`<img src=x onerror=${EVIL}>.md`, `# Bread\n\nYeast eats the sugar in dough, and the loaf rises. ${TAGS} [link](javascript:${EVIL})`, 'Why does dough grow?'],
  ['tide.html', `<!doctype html><title>Tides</title><body onload="${EVIL}">${TAGS}<h1>Tides</h1><p>The Moon pulls at the sea, so there is high water twice a day.</p>
    <iframe srcdoc="<script>parent.${EVIL}</script>"></iframe><svg onload="${EVIL}"></svg><a href="javascript:${EVIL}">a link</a>`, 'What makes the ocean rise and fall?'],
  ['volcano.pdf', pdf([['Notes about mountains.'], ['A volcano erupts when gas in the magma expands', `and drives it up through a vent. ${TAGS}`]]), 'Why do volcanoes erupt?'],
  ['beaver.docx', docx(), 'Which animal blocks a river with wood?'],
  ['planets.csv', `planet,known for\nMars,red dust and the largest canyon\nSaturn,broad rings of ice\nVenus,"heat and ${TAGS.replaceAll('"', '""')}"\n`, 'Which planet has broad icy rings?'],
  ['trees.json', JSON.stringify([{ tree: 'oak', note: 'Acorns feed pigs.' }, { tree: 'maple', note: `Its sap is boiled to syrup. ${TAGS}` }]), 'What is syrup made from?'],
].map(([name, content, question]) => ({ name, question, mimeType: 'application/octet-stream', buffer: Buffer.from(content) }));
