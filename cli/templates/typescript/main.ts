// @NAME@: a subscriber of Repobus. What is common to all of them is in repobus.ts.

import { type Event, Reject, run, type Work } from './repobus.js';

// May run twice for the same event, also at the same time on another machine: the outcome must be the same.
// Return: done. Throw Reject: it will never work, a dead letter. Throw anything else: tried again later.
async function handle(event: Event, work: Work): Promise<void> {
  if (!event.data.repo) throw new Reject('an event without a repository');
  console.log(event.type, event.data.repo);
  await work.progress(1, 1, 'seen'); // what people see of it
}

await run('@NAME@', [@SUBJECTS@], handle);
