import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { connectionIdOf, isReset } from "../handshake/packets.ts";
import { MAX_PACKET_BYTES } from "../limits.ts";
import { type PacketKeys, TAG_BYTES } from "../packet-keys.ts";
import { nextKey } from "./aes-gcm.ts";
import { AesPacketKeys } from "./aes-packet-keys.ts";
import { ClientHandshake } from "./client-handshake.ts";
import { HandshakeDoor } from "./handshake-door.ts";
import { createServerIdentity } from "./server-identity.ts";
import { keyPairOf } from "./x25519.ts";

/**
 * The bytes of one connection with fixed keys (docs/protocol.md, section 11.6). They were computed by another
 * implementation, written in another language after the page.
 */
interface Vector {
  readonly name: string;
  readonly from: "client" | "server";
  readonly hex: string;
  readonly parts: readonly (readonly [hex: string, meaning: string])[];
}

interface Golden {
  readonly keys: { readonly [name: string]: string };
  readonly server: {
    readonly cookieSecret: string;
    readonly path: string;
    readonly nowMs: number;
    readonly node: string;
    readonly idleTimeoutMs: number;
    readonly connectionId: number;
  };
  readonly handshake: readonly Vector[];
  readonly sealed: readonly (Vector & { readonly number: number; readonly plain: string })[];
  readonly reset: Vector;
}

const file = fileURLToPath(new URL("../../../docs/golden/udp-protocol.json", import.meta.url));
const golden: Golden = JSON.parse(readFileSync(file, "utf8"));
const unhex = (text: string) => new Uint8Array(Buffer.from(text, "hex"));
const hex = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString("hex");
const key = (name: string) => unhex(golden.keys[name] ?? assert.fail(`no ${name}`));
const { server } = golden;

const [initiate, retry, initiateWithCookie, accept] = golden.handshake.map(({ hex: text }) =>
  unhex(text),
);
assert.ok(initiate && retry && initiateWithCookie && accept);

/** With the zeros that the file leaves out. */
function whole(packet: Uint8Array): Uint8Array {
  const padded = new Uint8Array(MAX_PACKET_BYTES);
  padded.set(packet);
  return padded;
}

const identity = createServerIdentity(key("server's private key"));
const door = new HandshakeDoor(
  { idleTimeoutMs: server.idleTimeoutMs, node: server.node },
  {
    identity,
    randomBytes: () => unhex(server.cookieSecret),
    newKeyPair: () => keyPairOf(key("server's ephemeral private key")),
  },
);
const newClient = () =>
  new ClientHandshake(
    { serverKey: key("server's public key") },
    {
      randomBytes: () => unhex("a0a1a2a3a4a5a6a7"),
      newKeyPair: () => keyPairOf(key("client's ephemeral private key")),
    },
  );

test("the parts of every vector make up its bytes", () => {
  for (const { name, hex: bytes, parts } of [...golden.handshake, ...golden.sealed, golden.reset])
    assert.equal(parts.map(([part]) => part).join(""), bytes, name);
});

test("the server's part of the handshake", () => {
  assert.equal(hex(identity.publicKey), golden.keys["server's public key"]);
  const answer = (packet: Uint8Array) =>
    door.answer(whole(packet), server.path, server.nowMs, () => ({
      type: "new",
      connectionId: server.connectionId,
    }));
  assert.deepEqual(answer(initiate), { type: "retry", packet: retry });
  const accepted = answer(initiateWithCookie);
  assert.ok(accepted.type === "accept");
  assert.equal(hex(accepted.packet), hex(accept));
  speaks(accepted.keys, "server");
});

test("the client's part of the handshake", () => {
  const client = newClient();
  assert.equal(hex(client.packet), hex(whole(initiate)));
  assert.deepEqual(client.receive(retry), { type: "again" });
  assert.equal(hex(client.packet), hex(whole(initiateWithCookie)));
  const done = client.receive(accept);
  assert.ok(done.type === "done");
  assert.equal(done.connectionId, server.connectionId);
  assert.equal(done.idleTimeoutMs, server.idleTimeoutMs);
  assert.ok(isReset(unhex(golden.reset.hex), done.resetToken));
  speaks(done.keys, "client");
});

/** Seals and opens the packets as one side with these keys has to. */
function speaks(keys: PacketKeys, side: "client" | "server"): void {
  for (const { name, from, number, plain, hex: bytes } of golden.sealed) {
    const start = bytes.length / 2 - plain.length / 2 - TAG_BYTES;
    if (from !== side) {
      assert.equal(hex(keys.open(number, unhex(bytes), start)), plain, `${name} of the ${from}`);
      continue;
    }
    const packet = new Uint8Array(bytes.length / 2);
    packet.set(unhex(bytes.slice(0, start * 2) + plain));
    keys.seal(number, packet, start, packet.length - TAG_BYTES);
    assert.equal(hex(packet), bytes, `${name} of the ${from}`);
  }
}

test("the keys that are written down are those of the packets, each generation made from the last", () => {
  for (const side of ["client", "server"] as const) {
    const other = side === "client" ? "server" : "client";
    const outgoing = key(`${side}'s packets, generation 0`);
    const incoming = key(`${other}'s packets, generation 0`);
    speaks(new AesPacketKeys({ outgoing, incoming }), side);
    assert.equal(hex(nextKey(outgoing)), golden.keys[`${side}'s packets, generation 1`]);
  }
});

test("the reset of a lost connection", () => {
  const packet = unhex(golden.sealed[0]?.hex ?? "");
  assert.equal(connectionIdOf(packet), server.connectionId);
  assert.equal(hex(door.reset(packet)), golden.reset.hex);
});
