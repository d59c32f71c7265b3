import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';

/** What befalls the traffic of a proxy: each is asked for every piece of data and may cut. */
export interface Weather {
  /** Data from the client; false: it does not arrive, and the connection breaks. */
  toServer?: (data: Buffer) => boolean;
  /** Data from PostgreSQL; false: it does not arrive, and the connection breaks. */
  toClient?: (data: Buffer) => boolean;
  /** New connections are refused. */
  refuse?: boolean;
  /** Nothing passes any more, and nothing breaks: a network that swallows. */
  silent?: boolean;
}

/** PostgreSQL behind a socket of ours, whose connections a test can break at a chosen moment. */
export async function startProxy(config: pg.ClientConfig): Promise<{
  readonly config: pg.ClientConfig;
  weather: Weather;
  close(): Promise<void>;
}> {
  const directory = mkdtempSync(join(tmpdir(), 'purser-proxy-'));
  const target = join(String(config.host), `.s.PGSQL.${config.port}`);
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    if (proxy.weather.refuse) return client.destroy();
    const upstream = createConnection(target);
    const pair = [client, upstream] as const;
    const destroy = () => {
      for (const socket of pair) socket.destroy();
    };
    for (const socket of pair) {
      sockets.add(socket);
      socket.on('error', destroy);
      socket.on('close', destroy);
    }
    client.on('data', (data) => {
      if (proxy.weather.silent) return;
      if (proxy.weather.toServer?.(data) === false) return destroy();
      upstream.write(data);
    });
    upstream.on('data', (data) => {
      if (proxy.weather.silent) return;
      if (proxy.weather.toClient?.(data) === false) return destroy();
      client.write(data);
    });
  });
  const proxy = {
    config: { ...config, host: directory },
    weather: {} as Weather,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      rmSync(directory, { recursive: true, force: true });
    },
  };
  await new Promise<void>((resolve) => {
    server.listen(join(directory, `.s.PGSQL.${config.port}`), resolve);
  });
  return proxy;
}

/** Whether the piece carries PostgreSQL's word that a transaction was committed. */
export function saysCommitted(data: Buffer): boolean {
  return data.includes('COMMIT\0');
}

/** Whether the piece carries the lane's writes with their commit. */
export function asksToCommit(data: Buffer): boolean {
  return data.includes('commit\0') && data.includes('append_operations\0');
}
