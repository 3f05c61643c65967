import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { ByteWriter, compileDefinition, parseDefinition, WorldMirror } from "@atlasnet/world";
import { FrameReader, frame, MAGIC } from "./frames.ts";
import { type ClientMessage, decodeServerMessage, encodeClientMessage } from "./messages.ts";

interface Vector {
  name: string;
  hex: string;
  parts: [hex: string, meaning: string][];
}

interface Golden {
  definition: unknown;
  schema: string;
  messages: (Vector & { from: "client" | "server"; message: unknown })[];
  framed: (Vector & { messages: string[] })[];
  states: (Vector & { view: unknown })[];
  updates: (Vector & { view: unknown })[];
}

const path = fileURLToPath(new URL("../../docs/golden/client-protocol.json", import.meta.url));
const golden: Golden = JSON.parse(readFileSync(path, "utf8"));
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const unhex = (text: string) => new Uint8Array(Buffer.from(text, "hex"));
const definition = compileDefinition(parseDefinition(golden.definition));

/** Bytes stand in the file as `{hex}`. */
function revived(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(revived);
  if (typeof value !== "object" || value === null) return value;
  if ("hex" in value) return unhex(String(value.hex));
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, revived(item)]));
}

test("the parts of every vector make up its bytes", () => {
  for (const { name, hex: bytes, parts } of [
    ...golden.messages,
    ...golden.framed,
    ...golden.states,
    ...golden.updates,
  ])
    assert.equal(parts.map(([part]) => part).join(""), bytes, name);
});

test("the schema hash is that of the definition", () => {
  assert.equal(hex(definition.hash), golden.schema);
});

for (const { name, from, hex: bytes, message } of golden.messages)
  test(`golden bytes: ${name}`, () => {
    const value = revived(message);
    if (from === "client") assert.equal(hex(encodeClientMessage(value as ClientMessage)), bytes);
    else assert.deepEqual(decodeServerMessage(unhex(bytes)), value);
  });

test("golden bytes: frames, in pieces of any size", () => {
  const hexOf = (name: string) => golden.messages.find((one) => one.name === name)?.hex ?? "";
  for (const { hex: bytes, messages } of golden.framed) {
    const frames = messages.map((name) => hex(frame(unhex(hexOf(name)))));
    assert.equal([hex(MAGIC), ...frames].join(""), bytes);
    const stream = unhex(bytes).subarray(MAGIC.length);
    for (let size = 1; size <= stream.length; size++) {
      const reader = new FrameReader();
      const read: string[] = [];
      for (let at = 0; at < stream.length; at += size)
        reader.push(stream.slice(at, at + size), (one) => read.push(hex(one)));
      assert.deepEqual(read, messages.map(hexOf));
    }
  }
});

test("golden bytes: state messages build upon each other", () => {
  const mirror = new WorldMirror(definition);
  for (const { name, hex: bytes, view } of golden.states) {
    assert.equal(mirror.apply(unhex(bytes)).gap, false, name);
    assert.deepEqual(JSON.parse(JSON.stringify([...mirror.entities.values()])), view, name);
  }
  assert.equal(mirror.dilation, 0.5);
});

test("golden bytes: updates say what a state message says", () => {
  const mirror = new WorldMirror(definition);
  mirror.apply(unhex(golden.states[0]?.hex ?? ""));
  for (const { name, hex: bytes, view } of golden.updates) {
    assert.equal(mirror.applyUpdates(unhex(bytes), 0).gap, false, name);
    assert.deepEqual(JSON.parse(JSON.stringify([...mirror.entities.values()])), view, name);
  }
  assert.equal(mirror.tick, 1002);
});

test("payloads of the golden messages are what their explanations say", () => {
  const payloadOf = (name: string) => {
    const message = revived(golden.messages.find((one) => one.name === name)?.message);
    assert.ok(typeof message === "object" && message !== null && "payload" in message);
    assert.ok(message.payload instanceof Uint8Array);
    return hex(message.payload);
  };
  const encoded = (struct: (typeof definition.inputs)[number] | undefined, value: object) => {
    assert.ok(struct !== undefined);
    const writer = new ByteWriter();
    struct.codec.encode(writer, { ...value });
    return hex(writer.finish());
  };
  const { inputs, clientMessages, serverMessages } = definition;
  assert.equal(payloadOf("input"), encoded(inputs[0], { dx: 1, dy: -1 }));
  assert.equal(payloadOf("message to the server"), encoded(clientMessages[0], { text: "hello" }));
  assert.equal(
    payloadOf("message to the client"),
    encoded(serverMessages[0], { from: 300, text: "hi" }),
  );
});

test("docs/protocol.md has these vectors and the close codes of the code", () => {
  const script = fileURLToPath(new URL("../scripts/protocol-page.mjs", import.meta.url));
  execFileSync(process.execPath, [script, "--check"], { stdio: "pipe" });
});
