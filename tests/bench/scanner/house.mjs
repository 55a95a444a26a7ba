// The scanner at work: the edge and the scanner as they run, GitHub played by the stand-in, one repository after the
// other connected as a person would, and what each took.

import fs from 'node:fs';
import { House, until } from '../../system/harness.mjs';

// A scan that takes longer is a finding of its own.
const patience = Number(process.env.SCAN_SECONDS ?? 300) * 1000;

// What the edge asks for when it connects a repository; the rest is the scan's.
const connects = [/^\/user$/, /^\/repos\/[^/]+\/[^/]+$/, /^\/repositories\/\d+$/, /\/permission$/, /\/hooks(\/|$)/];

/** CPU seconds of a process so far: the scheduler's count, in ns, of all its threads. */
function cpuOf(pid) {
  return fs.readdirSync(`/proc/${pid}/task`).reduce((sum, task) => sum + Number(fs.readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]), 0) / 1e9;
}
const peakOf = (pid) => Number(/VmHWM:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;
const forgetPeak = (pid) => fs.writeFileSync(`/proc/${pid}/clear_refs`, '5');

export class Pipeline {
  static async start() {
    const pipeline = new Pipeline();
    pipeline.house = await House.start({ programs: ['edge', 'scanner'], env: { LOG_LEVEL: 'info', RB_ACK_WAIT_MS: '30000', RESERVATION_SECONDS: '60', RECONCILE_SECONDS: '600' } });
    pipeline.house.db.on('error', () => {});
    pipeline.serial = 0;
    return pipeline;
  }

  /** Connects the clone at `dir`; {profile, cpu, peak_mb, seconds, requests, requested: {path shape: count}} or {error}. */
  async scan(name, dir) {
    const h = this.house;
    // While other tools ran, nobody here listened: connections that were closed meanwhile are only noticed now.
    await new Promise((resolve) => setTimeout(resolve, 100));
    for (const probe of [() => h.control('GET', '/hooks'), () => h.request('GET', '/')]) await probe().catch(() => {});
    const repo = `r${this.serial++}-${name.replace(/[^\w.-]/g, '-')}`.slice(0, 90);
    await h.control('POST', '/repos', { owner: 'acme', name: repo, path: dir });
    await h.control('POST', '/permissions', { owner: 'acme', repo, login: 'alice', permission: 'admin' });
    await h.control('POST', '/limits', { rate_remaining: 5000 });
    await h.control('DELETE', '/requests');
    const { pid } = h.get('scanner').child;
    forgetPeak(pid);
    const [cpu, start] = [cpuOf(pid), performance.now()];
    const answer = await h.install(`acme/${repo}`);
    if (answer.status >= 300) return { error: `not connected: ${answer.status} ${answer.text}`.slice(0, 200) };
    let run;
    try {
      run = await until(`scan of ${name}`, async () => {
        const found = (await h.runs(answer.json.installation_id)).scanner;
        return ['done', 'failed'].includes(found?.state) && found;
      }, patience);
    } catch {
      return { error: `no profile within ${patience / 1000} s` };
    }
    const took = { cpu: cpuOf(pid) - cpu, peak_mb: peakOf(pid), seconds: (performance.now() - start) / 1000 };
    const asked = (await h.control('GET', '/requests')).filter(({ path }) => !connects.some((pattern) => pattern.test(path)));
    if (run.state !== 'done') return { error: `${run.state}: ${JSON.stringify(run).slice(0, 300)}`, ...took, requests: asked.length };
    const profile = await h.request('GET', `/api/v1/repos/acme/${repo}/profile`);
    if (profile.status !== 200) return { error: `profile: ${profile.status} ${profile.text}`.slice(0, 200), ...took };
    const requested = {};
    for (const { method, path } of asked) {
      const shape = `${method} ${path.replace(/^\/repos\/[^/]+\/[^/]+/, '').replace(/[0-9a-f]{40}/g, '…').replace(/^(\/contents\/).*/, '$1…') || '/'}`;
      requested[shape] = (requested[shape] ?? 0) + 1;
    }
    return { profile: profile.json.profile ?? profile.json, ...took, requests: asked.length, requested, profile_bytes: profile.text.length };
  }

  stop() {
    return this.house.stop();
  }
}
