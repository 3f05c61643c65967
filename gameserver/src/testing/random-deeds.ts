import type { SeededRandom } from "@atlasnet/core/sim";
import type { ModuleContext } from "../module/context.ts";
import type { ShardEntity } from "../shard/entity.ts";

function anyOf<T>(random: SeededRandom, items: readonly T[]): T | undefined {
  return items.length === 0 ? undefined : items[random.int(0, items.length - 1)];
}

function place(random: SeededRandom, size = 100) {
  return {
    x: random.float() * size,
    y: random.float() * 0.8 * size,
    z: random.float() * 40,
  };
}

/** Everything world code can do to its store, at random. */
export function randomDeed(ctx: ModuleContext, random: SeededRandom): void {
  const entities = [...ctx.query()];
  const players = [...ctx.players];
  const entity: ShardEntity | undefined = anyOf(random, entities);
  const player = anyOf(random, players);
  switch (random.int(0, 21)) {
    case 0:
    case 1:
      ctx.spawn({
        position: place(random),
        look: { name: `n${random.int(0, 99)}`, team: random.int(0, 1) === 0 ? "red" : "blue" },
        ...(random.int(0, 2) === 0 ? { purse: { coins: random.int(0, 1000) } } : {}),
      });
      return;
    case 2:
      ctx.spawn({ body: { points: random.int(0, 100), exact: random.float() } }).channel = "lobby";
      return;
    case 3:
      entity?.despawn();
      return;
    case 4:
    case 5:
    case 6:
    case 7: {
      // Small steps around the cell borders, so that margins and crossings happen often.
      const position = entity?.["position" as keyof ShardEntity] as
        | { x: number; y: number }
        | undefined;
      if (position === undefined) return;
      position.x += (random.float() - 0.5) * 8;
      position.y += (random.float() - 0.5) * 8;
      return;
    }
    case 8:
      entity?.remove(anyOf(random, ["position", "look", "body", "purse", "diary"]) ?? "look");
      return;
    case 9:
      entity?.add("position", place(random));
      return;
    case 10:
      entity?.add("look", { shiny: random.int(0, 1) === 0, friends: [random.int(0, 50)] });
      return;
    case 11:
      entity?.add("purse", { coins: random.int(0, 1000) });
      entity?.add("diary", { line: `d${random.int(0, 9)}` });
      return;
    case 12:
      if (entity !== undefined) entity.owner = random.int(0, 3) === 0 ? undefined : player;
      return;
    case 13:
      if (entity !== undefined) entity.channel = anyOf(random, ["lobby", "staff", undefined]);
      return;
    case 14:
      if (player !== undefined) player.entity = random.int(0, 3) === 0 ? undefined : entity;
      return;
    case 15:
      player?.subscribe(anyOf(random, ["lobby", "staff"]) ?? "lobby");
      return;
    case 16:
      player?.unsubscribe(anyOf(random, ["lobby", "staff"]) ?? "lobby");
      return;
    case 17:
      ctx.kv.set(`k${random.int(0, 9)}`, { n: random.int(0, 9), list: [1, "two", null] });
      ctx.kv.delete(`k${random.int(0, 9)}`);
      return;
    case 18: {
      const timer = ctx.after(random.int(1, 5), "alarm", { n: random.int(0, 9) });
      if (random.int(0, 2) === 0) ctx.cancel(timer - random.int(0, 3));
      return;
    }
    case 19:
      ctx.request("service", random.int(0, 9));
      return;
    case 20:
      if (random.int(0, 1) === 0) ctx.broadcast("said", { text: `b${random.int(0, 99)}` });
      else player?.send("said", { text: `p${random.int(0, 99)}` });
      return;
    default: {
      ctx.random.float();
      const at = ctx.random.int(0, 80);
      for (const near of ctx.near({ x: at, y: at, z: 20 }, 15)) {
        if (near.has("body")) near.remove("body");
        else near.add("body", { points: 5 });
        break;
      }
    }
  }
}
