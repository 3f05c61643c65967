import { type AtlasNetClient, type ClientWorld, connect } from "@atlasnet/client";
import { definition } from "./world.ts";

/** Never called: what it says about types is the test. */
export async function play(url: string): Promise<void> {
  const client: AtlasNetClient = connect({ url });
  const world = await client.join(definition, { world: "pebbles" });
  world.input("step", { dx: 1, dy: 0 });
  world.send("say", { text: "hello" });
  world.onMessage("said", ({ who, text }) => {
    const line: string = `${who.toFixed(0)}: ${text}`;
    console.log(line);
  });
  for (const entity of world.entities.values()) {
    const x: number | undefined = entity.position?.x;
    console.log(x);
    // @ts-expect-error: no such component
    console.log(entity.velocity);
  }
  // @ts-expect-error: the input has dx and dy
  world.input("step", { dx: 1 });
  // @ts-expect-error: no such message
  world.send("shout", { text: "hello" });
  // @ts-expect-error: the server never says this
  world.onMessage("whispered", () => undefined);
  await world.leave();

  const untyped: ClientWorld = await client.join({ world: "pebbles" });
  untyped.send("say", { text: "names are checked when it runs" });
  client.close();
}
