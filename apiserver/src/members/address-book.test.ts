import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "@atlasnet/core/system";
import { reached } from "@atlasnet/core/testing";
import { apiScene } from "../http/testing/index.ts";
import { AddressBook } from "./address-book.ts";
import {
  apiserverKey,
  decodeApiserver,
  encodeApiserver,
  parseLinkAddress,
} from "./apiserver-record.ts";

test("the control store says where apiservers are, the settings where it does not; both are tried", async (t) => {
  const { store, close } = await apiScene();
  t.after(close);
  const configured = new Map([
    ["a", { host: "10.0.0.1", port: 1 }],
    ["b", { host: "10.0.0.2", port: 2 }],
  ]);
  const book = new AddressBook(configured);
  assert.deepEqual(book.contacts, ["a", "b"]);
  const followed = book.follow(store, systemClock);
  t.after(() => followed.close());
  const put = (node: string, address: string) =>
    store.txn({
      compare: [],
      then: [
        {
          type: "put",
          key: apiserverKey(node),
          value: encodeApiserver({ address, state: "voter" }),
        },
      ],
    });
  await put("a", "10.9.9.9:9");
  await put("c", "[::1]:3");
  await reached(() => book.record("c") !== undefined);
  assert.deepEqual(book.contacts, ["a", "c"]);
  const tried = [book.lookup("a"), book.lookup("a"), book.lookup("a")].map((at) => at?.port);
  assert.deepEqual(tried, [9, 1, 9]);
  assert.equal(book.shown("a"), "10.9.9.9:9");
  assert.deepEqual(book.lookup("b"), { host: "10.0.0.2", port: 2 });
  assert.deepEqual(book.lookup("c"), { host: "::1", port: 3 });
  await store.txn({ compare: [], then: [{ type: "delete", key: apiserverKey("c") }] });
  await reached(() => book.record("c") === undefined);
  assert.equal(book.lookup("c"), undefined);
});

test("addresses are host and port; records of another kind are none", () => {
  assert.deepEqual(parseLinkAddress("api.example.com:2556"), {
    host: "api.example.com",
    port: 2556,
  });
  for (const text of ["", "host", "host:0", "host:65536", "::1:5", "a b:1", "u@h:1", "h/x:1"])
    assert.equal(parseLinkAddress(text), undefined, text);
  assert.equal(decodeApiserver(Uint8Array.of(1, 2)), undefined);
});
