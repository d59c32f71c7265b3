import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';

/** The faults of a proxy. The functions see every chunk of data, and can drop it and disconnect. */
export interface Weather {
  /** Sees data from the client; false: drop it and disconnect. */
  toServer?: (data: Buffer) => boolean;
  /** Sees data from PostgreSQL; false: drop it and disconnect. */
  toClient?: (data: Buffer) => boolean;
  /** Whether new connections are refused. */
  refuse?: boolean;
  /**
   * Whether all data is dropped while connections stay open, as by a network that loses packets.
   */
  silent?: boolean;
}

/** Starts a proxy in front of PostgreSQL. A test can break its connections at a chosen moment. */
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

/** Whether the chunk has the command tag COMMIT. */
export function saysCommitted(data: Buffer): boolean {
  return data.includes('COMMIT\0');
}

/** Whether the chunk has the lane's writes with their commit. */
export function asksToCommit(data: Buffer): boolean {
  return data.includes('commit\0') && data.includes('append_operations\0');
}
