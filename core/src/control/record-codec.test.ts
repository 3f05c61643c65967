import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { encodeCbor } from "../wire/cbor.ts";
import {
  decodeRecord,
  encodeRecord,
  RecordError,
  type RecordKind,
  type Records,
  recordProblem,
} from "./record-codec.ts";
import type { WorldRecord } from "./records.ts";

const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const bytesOf = (hex: string) => Uint8Array.from(Buffer.from(hex, "hex"));
const digest = new Uint8Array(32).fill(7);

const records: Records = {
  node: {
    role: "gameserver",
    labels: { zone: "eu", "gpu/kind": "" },
    capacity: { weight: 500, sessions: 10_000, memoryBytes: 2 ** 34 },
    modules: ["./arena.js", "*"],
    address: "gs-1.example:2556",
    boot: "b1",
    fingerprint: "0a".repeat(32),
    state: "ready",
    cordoned: false,
    leaseMs: 10_000,
    registered: 1_700_000_000_000,
  },
  world: {
    module: { source: "store", name: "@games/arena", version: "1.2.3-beta.1", digest },
    config: { size: 100, teams: ["red", "blue"], big: 2 ** 40, half: 0.5 },
    durability: "journal",
    graceSeconds: 30,
    labels: { season: "3" },
    constraints: { nodeLabels: { zone: "eu" }, nodes: ["gs-1", "gs-2"] },
    policy: "spread",
    weight: 2,
    failover: "automatic",
    enabled: true,
  },
  shard: { wanted: "gs-1", reason: "placed" },
  owner: { world: 2 ** 40 + 9, node: "gs-1", boot: "b1", state: "owned" },
  module: { digest, entry: "dist/world.js", bytes: 123_456 },
  snapshot: {
    world: 2 ** 40 + 9,
    node: "gs-1",
    epoch: 2 ** 40 + 12,
    turn: 3,
    final: true,
    newest: {
      digest,
      bytes: 4_000,
      timeline: 2 ** 40 + 10,
      tick: 600,
      module: { name: "arena", version: "2" },
      schema: digest,
      taken: 1_700_000_000_000,
    },
    older: [],
  },
  migration: {
    id: "00ff00ff00ff00ff",
    world: 2 ** 40 + 9,
    from: "gs-1",
    fromBoot: "b1",
    epoch: 2 ** 40 + 12,
    to: "gs-2",
    toBoot: "b2",
    reason: "upgraded",
    module: { source: "node", path: "./arena.js" },
    started: 1_700_000_000_000,
    deadlineMs: 60_000,
  },
  mirror: {
    id: "00ff00ff00ff00ff",
    world: 2 ** 40 + 9,
    epoch: 2 ** 40 + 12,
    node: "gs-2",
    boot: "b2",
    state: "in-sync",
  },
  moved: {
    id: "00ff00ff00ff00ff",
    from: "gs-1",
    to: "gs-2",
    reason: "operator",
    outcome: "aborted",
    by: "gs-1",
    problem: "too slow",
    started: 1_700_000_000_000,
    ended: 1_700_000_001_000,
  },
};
/** The others have to be there. */
const optionalFields = ["shard.wanted", "migration.module"];
const kinds: readonly RecordKind[] = [
  "node",
  "world",
  "shard",
  "owner",
  "module",
  "snapshot",
  "migration",
  "moved",
  "mirror",
];

/** They stay as they are: stores out there hold such bytes. */
const golden: { readonly [K in RecordKind]: string } = {
  node: "ab64726f6c656a67616d65736572766572666c6162656c73a2647a6f6e65626575686770752f6b696e6460686361706163697479a3667765696768741901f46873657373696f6e731927106b6d656d6f727942797465731b0000000400000000676d6f64756c6573826a2e2f6172656e612e6a73612a67616464726573737167732d312e6578616d706c653a3235353664626f6f746262316b66696e6765727072696e7478403061306130613061306130613061306130613061306130613061306130613061306130613061306130613061306130613061306130613061306130613061306165737461746565726561647968636f72646f6e6564f4676c656173654d731927106a726567697374657265641b0000018bcfe56800",
  world:
    "aa666d6f64756c65a466736f757263656573746f7265646e616d656c4067616d65732f6172656e616776657273696f6e6c312e322e332d626574612e31666469676573745820070707070707070707070707070707070707070707070707070707070707070766636f6e666967a46473697a651864657465616d73826372656464626c756563626967fb42700000000000006468616c66fb3fe00000000000006a6475726162696c697479676a6f75726e616c6c67726163655365636f6e6473181e666c6162656c73a166736561736f6e61336b636f6e73747261696e7473a26a6e6f64654c6162656c73a1647a6f6e65626575656e6f646573826467732d316467732d3266706f6c696379667370726561646677656967687402686661696c6f766572696175746f6d6174696367656e61626c6564f5",
  shard: "a26677616e7465646467732d3166726561736f6e66706c61636564",
  owner:
    "a465776f726c641b0000010000000009646e6f64656467732d3164626f6f74626231657374617465656f776e6564",
  module:
    "a3666469676573745820070707070707070707070707070707070707070707070707070707070707070765656e7472796d646973742f776f726c642e6a736562797465731a0001e240",
  migration:
    "ab626964703030666630306666303066663030666665776f726c641b00000100000000096466726f6d6467732d316866726f6d426f6f746262316565706f63681b000001000000000c62746f6467732d3266746f426f6f7462623266726561736f6e687570677261646564666d6f64756c65a266736f75726365646e6f646564706174686a2e2f6172656e612e6a7367737461727465641b0000018bcfe568006a646561646c696e654d7319ea60",
  mirror:
    "a6626964703030666630306666303066663030666665776f726c641b00000100000000096565706f63681b000001000000000c646e6f64656467732d3264626f6f7462623265737461746567696e2d73796e63",
  moved:
    "a962696470303066663030666630306666303066666466726f6d6467732d3162746f6467732d3266726561736f6e686f70657261746f72676f7574636f6d656761626f727465646262796467732d316770726f626c656d68746f6f20736c6f7767737461727465641b0000018bcfe5680065656e6465641b0000018bcfe56be8",
  snapshot:
    "a765776f726c641b0000010000000009646e6f64656467732d316565706f63681b000001000000000c647475726e036566696e616cf5666e6577657374a76664696765737458200707070707070707070707070707070707070707070707070707070707070707656279746573190fa06874696d656c696e651b000001000000000a647469636b190258666d6f64756c65a2646e616d65656172656e616776657273696f6e613266736368656d61582007070707070707070707070707070707070707070707070707070707070707076574616b656e1b0000018bcfe56800656f6c64657280",
};

test("every record has its golden bytes, and is read from them", () => {
  for (const kind of kinds) {
    assert.equal(hexOf(encodeRecord(kind, records[kind])), golden[kind], kind);
    const decoded = decodeRecord(kind, bytesOf(golden[kind]));
    assert.ok(decoded.ok, JSON.stringify(decoded));
    assert.deepStrictEqual(decoded.record, records[kind]);
  }
});

test("a shard that nobody shall own has no wanted node", () => {
  const none = { reason: "disabled" } as const;
  assert.deepStrictEqual(decodeRecord("shard", encodeRecord("shard", none)), {
    ok: true,
    record: none,
  });
  assert.deepEqual(
    encodeRecord("shard", { ...none, wanted: undefined }),
    encodeRecord("shard", none),
  );
});

test("a migration without a module runs the world's own; what moved may say how long it took", () => {
  const { module: _, ...plain } = records.migration;
  for (const record of [plain, { ...plain, by: "operator ann" }]) {
    const migration = decodeRecord("migration", encodeRecord("migration", record));
    assert.deepStrictEqual(migration, { ok: true, record });
  }
  const measured: Records["moved"] = {
    ...records.moved,
    ...{ outcome: "moved", problem: "", gapMs: 41, bytes: 2 ** 33 },
  };
  const moved = decodeRecord("moved", encodeRecord("moved", measured));
  assert.deepStrictEqual(moved, { ok: true, record: measured });
  assert.equal(recordProblem("moved", { ...measured, gapMs: -1 })?.field, "gapMs");
});

test("a module of the nodes is named by its path", () => {
  const world: WorldRecord = { ...records.world, module: { source: "node", path: "./arena.js" } };
  const decoded = decodeRecord("world", encodeRecord("world", world));
  assert.ok(decoded.ok);
  assert.deepStrictEqual(decoded.record.module, world.module);
});

test("a world may say when it sleeps; records of before are read without it", () => {
  const sleeping = { ...records.world, sleepAfterSeconds: 600 };
  const read = decodeRecord("world", encodeRecord("world", sleeping));
  assert.deepEqual(read, { ok: true, record: sleeping });
  assert.throws(() => encodeRecord("world", { ...sleeping, sleepAfterSeconds: 86_401 }), {
    field: "sleepAfterSeconds",
  });
});

test("an owner's record may say what a promotion has ended; those of before are read without it", () => {
  const record = { ...records.owner, promotedOver: 2 ** 40 + 12 };
  assert.deepEqual(decodeRecord("owner", encodeRecord("owner", record)), { ok: true, record });
  assert.equal(recordProblem("owner", { ...record, promotedOver: -1 })?.field, "promotedOver");
});

test("fields are checked one by one, and absent or unknown ones are refused by name", () => {
  const wrong = [Symbol("no"), -1, 1.5, "x y".repeat(400), [[]], { a: 1 }, new Uint8Array(3)];
  for (const kind of kinds) {
    const entries = Object.entries(records[kind]);
    for (const [field] of entries) {
      const without = Object.fromEntries(entries.filter(([name]) => name !== field));
      const absent = recordProblem(kind, without);
      const isOptional = optionalFields.includes(`${kind}.${field}`);
      assert.equal(absent?.field, isOptional ? undefined : field);
      if (field === "config") continue;
      for (const value of wrong) {
        const problem = recordProblem(kind, { ...records[kind], [field]: value });
        assert.equal(problem?.field, field, `${kind}.${field} of ${String(value)}`);
      }
    }
    assert.equal(recordProblem(kind, { ...records[kind], colour: 1 })?.field, "colour");
    const unknown = decodeRecord(kind, encodeCbor({ ...records[kind], colour: 1 }));
    assert.ok(!unknown.ok && unknown.problem.includes("colour"), JSON.stringify(unknown));
  }
});

test("bounds within records are kept", () => {
  const { node, world } = records;
  const capacity = { ...node.capacity, weight: 1_000_001 };
  const many = Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`l${i}`, ""]));
  const problems: readonly (readonly [RecordKind, object, string])[] = [
    ["node", { ...node, capacity }, "capacity"],
    ["node", { ...node, labels: many }, "labels"],
    ["node", { ...node, labels: { "a=b": "" } }, "labels"],
    ["node", { ...node, labels: { zone: "x".repeat(129) } }, "labels"],
    ["node", { ...node, modules: Array.from({ length: 257 }, () => "m") }, "modules"],
    ["node", { ...node, leaseMs: 99 }, "leaseMs"],
    ["world", { ...world, weight: 0 }, "weight"],
    ["world", { ...world, config: { f: Number.NaN } }, "config"],
    ["world", { ...world, config: "x".repeat(65_536) }, "config"],
    ["world", { ...world, module: { source: "web" } }, "module"],
    ["world", { ...world, module: { ...world.module, version: "latest" } }, "module"],
    ["world", { ...world, constraints: { nodeLabels: {}, nodes: ["-"] } }, "constraints"],
    ["shard", { reason: "placed", wanted: "a b" }, "wanted"],
  ];
  for (const [kind, value, field] of problems)
    assert.equal(
      recordProblem(kind, value)?.field,
      field,
      JSON.stringify(recordProblem(kind, value)),
    );
});

test("what is out of bounds is not written; the error names the field", () => {
  assert.throws(
    () => encodeRecord("world", { ...records.world, graceSeconds: -1 }),
    (error) => error instanceof RecordError && error.field === "graceSeconds",
  );
});

test("any bytes are decoded or refused, never thrown at", () => {
  fc.assert(
    fc.property(fc.constantFrom(...kinds), fc.uint8Array({ maxLength: 60 }), (kind, bytes) => {
      assert.equal(decodeRecord(kind, bytes).ok, false);
    }),
  );
  fc.assert(
    fc.property(fc.constantFrom(...kinds), fc.nat(), fc.nat(255), (kind, place, byte) => {
      const bytes = bytesOf(golden[kind]);
      bytes[place % bytes.length] = byte;
      const decoded = decodeRecord(kind, bytes);
      if (decoded.ok) assert.equal(recordProblem(kind, decoded.record), undefined);
      else assert.match(decoded.problem, /./);
    }),
  );
});

test("a field that stands twice is refused", () => {
  const twice = new Uint8Array([
    0xa2,
    0x66,
    ...Buffer.from("reason"),
    0x66,
    ...Buffer.from("placed"),
  ]);
  const bytes = new Uint8Array([...twice, ...twice.subarray(1)]);
  assert.deepEqual(decodeRecord("shard", bytes), {
    ok: false,
    code: "bad-record",
    problem: "shard: a field stands twice",
  });
});
