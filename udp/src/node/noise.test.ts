import assert from "node:assert/strict";
import test from "node:test";
import { decrypt, encrypt, FIRST_NONCE } from "./aes-gcm.ts";
import { noiseFinish, noiseRespond, noiseStart } from "./noise.ts";
import { keyPairOf } from "./x25519.ts";

const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, "hex"));
const hex = (data: Uint8Array | undefined) => Buffer.from(data ?? []).toString("hex");

// Noise_NX_25519_AESGCM_SHA256 as in the public test vectors of the snow library.
const VECTOR = {
  prologue:
    "5468657265206973206e6f20726967687420616e642077726f6e672e2054686572652773206f6e6c792066756e20616e6420626f72696e672e",
  initiatorE: "83aaab4e5c31b25233509a50c05ca5c4ced943ed7081c8989c777aaae95c6879",
  responderS: "e8ba59523ca27650dfa198fe6e7418754af455a13f29b052efdc4eca55942bbc",
  responderE: "928c1c99bb9e00a314f0935249f1f5678f1ad7d6185fd7f5fcaa588e3f710b5f",
  messages: [
    {
      payload: "4a783126124e37b0867e1fa96dc63f19fe268593c7db89255ce9bd506528955c",
      ciphertext:
        "f4fa1922226a88c78bad8c39e059d662864e2432011fddad0b44b6cbf812b8674a783126124e37b0867e1fa96dc63f19fe268593c7db89255ce9bd506528955c",
    },
    {
      payload: "bfa7e52f8c2b617250c8a32f996909b3bc8074ba2aa5d8e811de463320fe853a",
      ciphertext:
        "977466f5d0eec039a98963b35868efdeaf79a2168a0c44a27f3b81667e4b203696f35c581df7b7fa7633c7d484ebef945d41fb00fc5c65d085eb4c233178b69944c48a3d367d52d89e80de0c9d21bf18a5d7e8f043fe00a3b335f05e890c91dc2658a32284b6d04afa34c9106e90e1ed14f697e766e816b1fe5451b08c3cbb9c",
    },
    {
      payload: "3cd42023df17982a3ff569337fd55b9331a13af356c7858815ac1f5127141420",
      ciphertext:
        "bebefdeda6a9e445f9cb83886ecc206844fb3a9cc6d46f42c358005ae6e16f38b25329a4266d7a9d6f8c466d020b8e4d",
    },
    {
      payload: "ef9ae832ef7435295031cc63c58ce54132a0c6862a57fa71cd7f2e469235bff8",
      ciphertext:
        "6b00c74187ec986731e9f8b7407a54bae79c3f8cdacad546c6c8332ce7f5615b99e7cab69b25705f54826d6c6fc05a08",
    },
  ],
};

test("the handshake is that of the public test vectors, byte for byte, on both sides", () => {
  const [first, second, third, fourth] = VECTOR.messages;
  assert.ok(first && second && third && fourth);
  const e = keyPairOf(bytes(VECTOR.initiatorE));
  assert.equal(hex(e.publicKey) + first.payload, first.ciphertext);
  const start = noiseStart(bytes(VECTOR.prologue), e.publicKey, bytes(first.payload));

  const own = { s: keyPairOf(bytes(VECTOR.responderS)), e: keyPairOf(bytes(VECTOR.responderE)) };
  const answer = noiseRespond(start, own, e.publicKey, bytes(second.payload));
  assert.equal(hex(answer?.message), second.ciphertext);

  const finished = noiseFinish(start, e, bytes(second.ciphertext));
  assert.equal(hex(finished?.payload), second.payload);
  assert.equal(hex(finished?.s), hex(own.s.publicKey));
  assert.deepEqual(finished?.keys, answer?.keys);

  const { initiator, responder } = finished?.keys ?? assert.fail("no keys");
  const none = new Uint8Array(0);
  assert.equal(hex(encrypt(initiator, FIRST_NONCE, none, bytes(third.payload))), third.ciphertext);
  assert.equal(
    hex(decrypt(responder, FIRST_NONCE, none, bytes(fourth.ciphertext))),
    fourth.payload,
  );
});

test("a second message with any byte changed, or cut anywhere, is not genuine", () => {
  const e = keyPairOf(bytes(VECTOR.initiatorE));
  const payload = bytes(VECTOR.messages[0]?.payload ?? "");
  const start = noiseStart(bytes(VECTOR.prologue), e.publicKey, payload);
  const good = bytes(VECTOR.messages[1]?.ciphertext ?? "");
  assert.ok(noiseFinish(start, e, good));
  for (let at = 0; at < good.length; at++) {
    const changed = good.slice();
    changed[at] = (changed[at] ?? 0) ^ 0x40;
    assert.equal(noiseFinish(start, e, changed), undefined, `byte ${at}`);
    assert.equal(noiseFinish(start, e, good.slice(0, at)), undefined, `${at} bytes`);
  }
  const elsewhere = noiseStart(bytes("00"), e.publicKey, payload);
  assert.equal(noiseFinish(elsewhere, e, good), undefined, "another prologue");
});

// The points of low order on Curve25519, with the ways of writing them that are not reduced.
const LOW_ORDER = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

test("keys of low order are refused on both sides", () => {
  const own = { s: keyPairOf(bytes(VECTOR.responderS)), e: keyPairOf(bytes(VECTOR.responderE)) };
  const e = keyPairOf(bytes(VECTOR.initiatorE));
  const start = noiseStart(bytes("00"), e.publicKey);
  const good = noiseRespond(start, own, e.publicKey, bytes("00"))?.message ?? assert.fail();
  for (const point of LOW_ORDER) {
    const there = noiseStart(bytes("00"), bytes(point));
    assert.equal(noiseRespond(there, own, bytes(point), bytes("00")), undefined, point);
    const message = good.slice();
    message.set(bytes(point));
    assert.equal(noiseFinish(start, e, message), undefined, point);
  }
});
