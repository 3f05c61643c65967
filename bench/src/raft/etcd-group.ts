import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { type ClientHttp2Session, connect } from "node:http2";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { freePort } from "../lib/ports.ts";
import type { Contender } from "./load.ts";

const NODES = ["a", "b", "c"];
/** Connections of the clients to the leader. */
const SESSIONS = 4;
const START_TRIES = 200;

/** Path of the program, or undefined when it is not installed. */
export function findEtcd(path: string): string | undefined {
  try {
    execFileSync(path, ["--version"], { stdio: "ignore" });
    return path;
  } catch {
    return undefined;
  }
}

/** Three etcd nodes with default settings on the loopback, and clients of the leader over gRPC without TLS. */
export async function startEtcd(path: string, dir: string): Promise<Contender> {
  const nodes = await Promise.all(
    NODES.map(async (name) => ({
      name,
      client: `http://127.0.0.1:${await freePort()}`,
      peer: `http://127.0.0.1:${await freePort()}`,
    })),
  );
  const cluster = nodes.map(({ name, peer }) => `${name}=${peer}`).join(",");
  const processes = nodes.map(({ name, client, peer }) =>
    spawn(
      path,
      [
        ...["--name", name, "--data-dir", join(dir, `etcd-${name}`), "--log-level", "error"],
        ...["--listen-client-urls", client, "--advertise-client-urls", client],
        ...["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer],
        ...["--initial-cluster", cluster, "--initial-cluster-state", "new"],
      ],
      { stdio: "ignore" },
    ),
  );
  const address = await leaderOf(nodes.map(({ client }) => client));
  const sessions = Array.from({ length: SESSIONS }, () => connect(address));
  let next = 0;
  return {
    name: "etcd",
    put: async (key, value) => {
      const session = sessions[next++ % SESSIONS];
      if (session === undefined) throw new Error("there are no sessions");
      await put(session, key, value);
    },
    stop: async () => {
      for (const session of sessions) session.close();
      await Promise.all(processes.map(end));
    },
  };
}

async function leaderOf(addresses: readonly string[]): Promise<string> {
  for (let tries = 0; tries < START_TRIES; tries++) {
    for (const address of addresses) {
      const status = await statusOf(address);
      if (status?.leader !== undefined && status.leader === status.header?.member_id)
        return address;
    }
    await delay(50);
  }
  throw new Error("etcd elected no leader");
}

interface Status {
  readonly leader?: string;
  readonly header?: { readonly member_id?: string };
}

async function statusOf(address: string): Promise<Status | undefined> {
  try {
    const answer = await fetch(`${address}/v3/maintenance/status`, { method: "POST", body: "{}" });
    return answer.ok ? ((await answer.json()) as Status) : undefined;
  } catch {
    // It does not listen yet.
    return undefined;
  }
}

/** `etcdserverpb.KV/Put`: gRPC is a length before the message, and a status behind the answer. */
function put(session: ClientHttp2Session, key: string, value: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ":method": "POST",
      ":path": "/etcdserverpb.KV/Put",
      "content-type": "application/grpc",
      te: "trailers",
    });
    stream.on("trailers", (trailers) => {
      if (trailers["grpc-status"] === "0") resolve();
      else
        reject(new Error(`etcd answered ${trailers["grpc-status"]}: ${trailers["grpc-message"]}`));
    });
    stream.on("error", reject);
    stream.resume();
    stream.end(putRequest(key, value));
  });
}

/** Fields 1 and 2 of the request are bytes: key and value. */
function putRequest(key: string, value: Uint8Array): Buffer {
  const name = Buffer.from(key);
  const fields = Buffer.concat([
    Buffer.from([0x0a, ...varint(name.length)]),
    name,
    Buffer.from([0x12, ...varint(value.length)]),
    value,
  ]);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(fields.length, 1);
  return Buffer.concat([head, fields]);
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >> 7)];
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, "exit");
  child.kill();
  await exit;
}
