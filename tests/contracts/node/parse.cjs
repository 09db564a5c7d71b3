// Prints a list with {findings, document} for each file: what AsyncAPI's parser says of it, and the document with every
// $ref and trait in it.
'use strict';

const { Parser, fromFile } = require('@asyncapi/parser');

// It has grown a newer version than the one we write.
const IGNORED = ['asyncapi-latest-version'];

async function parsed(file) {
  const { document, diagnostics } = await fromFile(new Parser(), file).parse();
  const findings = diagnostics
    .filter(({ code }) => !IGNORED.includes(code))
    .map(({ code, path, message }) => `${path.join('.')}: ${message} (${code})`);
  return { findings, document: document ? document.json() : null };
}

async function main(files) {
  const all = [];
  for (const file of files) all.push(await parsed(file));
  process.stdout.write(JSON.stringify(all));
}

main(process.argv.slice(2));
