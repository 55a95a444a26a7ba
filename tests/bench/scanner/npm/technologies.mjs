// What stack-analyser finds in a folder, as JSON: {languages: {name: files}, technologies: {name: {type, path}}}. The path
// is that of a manifest that the part it was found in has; it names no other reason in all cases.
import { analyser, FSProvider, rules, tech } from '@specfy/stack-analyser';
import '@specfy/stack-analyser/dist/autoload.js';

const root = process.argv[2];
rules.loadAll();
const payload = await analyser({ provider: new FSProvider({ path: root }) });
const languages = {};
const technologies = {};
const add = (key, paths) => {
  const { name, type } = tech.indexed[key] ?? { name: key, type: 'unknown' };
  if (type !== 'language') technologies[name] ??= { type, path: String([...paths][0] ?? '').replace(`${root}/`, '') };
};
const walk = (component) => {
  for (const [name, files] of Object.entries(component.languages)) languages[name] = (languages[name] ?? 0) + files;
  if (component.tech) add(component.tech, component.path);
  for (const key of component.techs) add(key, component.path);
  for (const child of component.childs) walk(child);
};
walk(payload);
console.log(JSON.stringify({ languages, technologies }));
