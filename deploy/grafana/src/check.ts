// Holds dashboards, named as files, against the types that Grafana publishes.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import * as ts from 'typescript';

/** What the compiler says of a dashboard that claims to be one. */
function faults(sources: string, file: string): string[] {
  const claim = join(sources, 'claim.ts');
  const text = `import type { Made } from './schema';\nexport const made: Made = ${readFileSync(file, 'utf8')};\n`;
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.Node16,
    moduleResolution: ts.ModuleResolutionKind.Node16,
    types: [],
  };
  const host = ts.createCompilerHost(options);
  const { fileExists, getSourceFile } = host;
  host.fileExists = (name) => name === claim || fileExists(name);
  host.getSourceFile = (name, language, ...rest) =>
    name === claim ? ts.createSourceFile(name, text, language) : getSourceFile(name, language, ...rest);
  const program = ts.createProgram([claim], options, host);
  return ts.getPreEmitDiagnostics(program).map((fault) => {
    const line = fault.file?.getLineAndCharacterOfPosition(fault.start ?? 0).line ?? 0;
    const where = fault.file?.fileName === claim ? file : (fault.file?.fileName ?? '');
    return `${where}:${line}: ${ts.flattenDiagnosticMessageText(fault.messageText, '\n')}`;
  });
}

const [sources, ...files] = process.argv.slice(2);
if (sources === undefined || files.length === 0) {
  throw new Error('expected the folder of schema.ts, and files to check');
}
const found = files.flatMap((file) => faults(sources, file));
for (const fault of found) {
  console.error(fault);
}
process.exitCode = found.length === 0 ? 0 : 1;
