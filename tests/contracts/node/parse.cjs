// Prints {findings, document}: what AsyncAPI's parser says of a document, and the document with every $ref and trait in it.
'use strict';

const { Parser, fromFile } = require('@asyncapi/parser');

// It has grown a newer version than the one we write.
const IGNORED = ['asyncapi-latest-version'];

async function main(file) {
  const { document, diagnostics } = await fromFile(new Parser(), file).parse();
  const findings = diagnostics
    .filter(({ code }) => !IGNORED.includes(code))
    .map(({ code, path, message }) => `${path.join('.')}: ${message} (${code})`);
  process.stdout.write(JSON.stringify({ findings, document: document ? document.json() : null }));
}

main(process.argv[2]);
