// A TCP proxy on the way of our programs to a server, which can cut all of its connections and hold back what they carry.

import net from 'node:net';

export class Proxy {
  #pairs = new Set();

  /** `target`: the URL of the server; `url` is the same by way of the proxy. */
  static async start(target) {
    const p = new Proxy();
    const { hostname, port } = new URL(target);
    p.server = net.createServer((client) => {
      const pair = [client, net.connect(Number(port), hostname)];
      const end = () => {
        p.#pairs.delete(pair);
        for (const socket of pair) socket.destroy();
      };
      for (const [i, socket] of pair.entries()) {
        socket.setNoDelay(true).on('error', end).on('close', end);
        socket.on('data', (bytes) => {
          if (!pair[1 - i].write(bytes)) socket.pause();
        });
        pair[1 - i].on('drain', () => { if (!p.isHeld) socket.resume(); });
        if (p.isHeld) socket.pause();
      }
      p.#pairs.add(pair);
    });
    await new Promise((resolve) => p.server.listen(0, '127.0.0.1', resolve));
    const url = new URL(target);
    url.port = String(p.server.address().port);
    p.url = url.href.replace(/\/$/, '');
    return p;
  }

  /** Ends every connection, as a broken network does. */
  cut() {
    for (const [client] of this.#pairs) client.destroy();
  }

  /** Lets nothing through until `release`; what is sent waits. */
  hold() {
    this.isHeld = true;
    for (const socket of [...this.#pairs].flat()) socket.pause();
  }

  release() {
    this.isHeld = false;
    for (const socket of [...this.#pairs].flat()) socket.resume();
  }

  async stop() {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
