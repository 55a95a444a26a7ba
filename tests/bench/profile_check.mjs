// Whether profiles are valid by edge/web/profile.schema.json: a JSON document on standard input, as scanner_judge prints
// it. Prints what is wrong; ends with 1 when something is.
//   build/bench/scanner_judge CLONE full | node tests/bench/profile_check.mjs

import fs from 'node:fs';
import { profileErrors } from '../system/description.mjs';

const profile = JSON.parse(fs.readFileSync(0, 'utf8'));
const errors = profileErrors(profile);
if (errors) console.log(errors);
process.exitCode = errors ? 1 : 0;
