// Writes the dashboards into the folder that is named.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { operations } from './operations';
import { rotation } from './rotation';

const folder = process.argv[2];
if (folder === undefined) {
  throw new Error('expected the folder to write to');
}
for (const made of [rotation(), operations()]) {
  writeFileSync(join(folder, `${made.uid}.json`), `${JSON.stringify(made, null, 2)}\n`);
}
