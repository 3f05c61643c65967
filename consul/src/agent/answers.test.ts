import assert from "node:assert/strict";
import { test } from "node:test";
import { conflictOf, isNotFound, kvItem, serviceEntry } from "./answers.ts";

test("a key's value comes as bytes, whole or in base64, or empty", () => {
  const answer = { Key: "a", ModifyIndex: 7, Value: Buffer.from("x"), Session: "s" };
  assert.deepEqual(kvItem(answer), {
    key: "a",
    modifyIndex: 7,
    session: "s",
    value: Buffer.from("x"),
  });
  assert.deepEqual(kvItem({ ...answer, Value: "eA==" })?.value, Buffer.from("x"));
  assert.deepEqual(kvItem({ ...answer, Value: null })?.value, Buffer.alloc(0));
  assert.equal(kvItem({ ...answer, ModifyIndex: "7" }), undefined);
  assert.equal(kvItem(undefined), undefined);
});

test("a service without an address of its own has that of its node, and passes when all its checks do", () => {
  const Service = { ID: "gs-1", Address: "", Port: 2556, Meta: { node: "gs-1" } };
  const Node = { Address: "10.0.0.7" };
  const Checks = [{ Status: "passing" }, { Status: "critical" }];
  const [entry] = serviceEntry({ Service, Node, Checks });
  assert.deepEqual(entry, {
    id: "gs-1",
    address: "10.0.0.7",
    port: 2556,
    meta: { node: "gs-1" },
    passing: false,
  });
  const own = { Service: { ...Service, Address: "10.0.0.8" }, Node, Checks: Checks.slice(0, 1) };
  assert.deepEqual(
    serviceEntry(own).map(({ address, passing }) => [address, passing]),
    [["10.0.0.8", true]],
  );
  assert.deepEqual(serviceEntry({ Service: {} }), []);
});

test("a transaction was refused as a whole with 409 only, for all the reasons that are said", () => {
  const refusal = (statusCode: number, body: unknown) => ({
    cause: { response: { statusCode, body } },
  });
  const Errors = [{ What: "index is stale" }, {}];
  assert.equal(conflictOf(refusal(409, { Errors })), "index is stale; refused");
  assert.equal(conflictOf(refusal(409, "")), "refused");
  assert.equal(conflictOf(refusal(500, { Errors })), undefined);
  assert.equal(isNotFound({ response: { statusCode: 404 } }), true);
  assert.equal(isNotFound(new Error("404")), false);
});
