/** A world in plain JavaScript, as it stands in a user's folder. `extra` goes into the position. */
export function meadowSource(greeting: string, extra = ""): string {
  const world = import.meta.resolve("@atlasnet/world");
  return `
    import { defineWorld, grid2d, implementWorld, int, quantized, text } from ${JSON.stringify(world)};
    const definition = defineWorld({
      name: "meadow",
      space: grid2d({ component: "position", size: [100, 100], cell: 20 }),
      components: {
        position: {
          x: quantized({ min: 0, max: 100, step: 0.25 }),
          y: quantized({ min: 0, max: 100, step: 0.25 }),
          ${extra}
        },
        visits: { count: int(0, 1000) },
      },
      inputs: { go: { x: int(0, 100), y: int(0, 100) } },
      clientMessages: { say: { text: text(100) }, fail: {}, hang: {} },
      serverMessages: { said: { text: text(120) } },
      channels: { board: { public: true } },
    });
    export const world = implementWorld(definition, {
      create(ctx) {
        const board = ctx.spawn({ visits: {} });
        board.channel = "board";
        ctx.kv.set("board", board.id);
      },
      join(ctx, player) {
        player.entity = ctx.spawn({ position: { x: 50, y: 50 } });
        ctx.entity(ctx.kv.get("board")).visits.count += 1;
      },
      input: { go(ctx, player, { x, y }) { Object.assign(player.entity.position, { x, y }); } },
      message: {
        say(ctx, player, { text }) { ctx.broadcast("said", { text: "${greeting} " + text }); },
        fail() { throw new Error("planted"); },
        hang() { for (;;); },
      },
    });
  `;
}

/** Where things are, as a client sees them. */
export function seen(world: { entities: ReadonlyMap<number, unknown> }): string[] {
  return [...world.entities.values()].flatMap((entity) => {
    const { position }: { position?: { x: number; y: number } } = Object(entity);
    return position === undefined ? [] : [`${position.x},${position.y}`];
  });
}
