import { bool, defineWorld, grid2d, oneOf, ref, text, uint } from "@atlasnet/world";
import type { AtlasNetClient } from "./client.ts";
import type { ClientWorld, Untyped } from "./types.ts";

/** What the compiler must refuse: a line whose error is gone does not compile. Nothing here runs. */

const definition = defineWorld({
  name: "arena",
  space: grid2d({ component: "position", size: [9, 9], cell: 3 }),
  components: {
    position: { x: uint(9), y: uint(9) },
    look: { name: text(9), team: oneOf("red", "blue") },
  },
  ownerComponents: { purse: { coins: uint(99) } },
  inputs: { move: { up: bool() } },
  clientMessages: { chat: { text: text(9) } },
  serverMessages: { hit: { by: ref(), points: uint(99) } },
  join: { color: uint(3) },
});

async function typed(client: AtlasNetClient): Promise<void> {
  const world = await client.join(definition, { world: "arena", params: { color: 1 } });
  world.send("chat", { text: "hi" });
  world.input("move", { up: true });
  world.onMessage("hit", ({ by, points }) => by.toFixed() + points.toFixed());
  world.onAdd((entity) => {
    const x: number | undefined = entity.position?.x;
    const team: "red" | "blue" | undefined = entity.look?.team;
    const coins: number | undefined = entity.purse?.coins;
    return [x, team, coins, entity.id, entity.own];
  });
  const point = world.own && world.position(world.own);
  point?.x.toFixed();

  // @ts-expect-error no such message
  world.send("shout", { text: "hi" });
  // @ts-expect-error a message of the server
  world.send("hit", { by: 1, points: 1 });
  // @ts-expect-error no such field
  world.send("chat", { txt: "hi" });
  // @ts-expect-error a field of another type
  world.send("chat", { text: 5 });
  // @ts-expect-error a field is missing
  world.send("chat", {});
  // @ts-expect-error no such input
  world.input("jump", {});
  // @ts-expect-error a field of another type
  world.input("move", { up: 1 });
  // @ts-expect-error a message of the client
  world.onMessage("chat", () => undefined);
  // @ts-expect-error no such field
  world.onMessage("hit", ({ power }) => power);
  // @ts-expect-error no such component
  world.onAdd((entity) => entity.velocity);
  // @ts-expect-error the entity may lack the component
  world.onAdd((entity) => entity.position.x);
  world.onAdd((entity) => {
    // @ts-expect-error what the server says is not the client's to change
    if (entity.position) entity.position.x = 1;
  });
  // @ts-expect-error no such param
  await client.join(definition, { world: "arena", params: { colour: 1 } });
  // @ts-expect-error a world has a name
  await client.join(definition, {});
}

async function untyped(client: AtlasNetClient): Promise<ClientWorld<Untyped>> {
  const world = await client.join({ world: "arena" });
  world.send("anything", { goes: 1 });
  world.onMessage("anything", (message) => message["goes"]);
  const { own } = world;
  // @ts-expect-error of unknown type until it was looked at
  own?.["position"].x;
  return world;
}

// Compiling is the test; nothing is called.
void [typed, untyped];
