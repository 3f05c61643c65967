import { defineWorld, grid2d, implementWorld, quantized, text, uint } from "@atlasnet/world";

export const definition = defineWorld({
  name: "pebbles",
  tickRate: 10,
  space: grid2d({ component: "position", size: [100, 100], cell: 25 }),
  components: {
    position: {
      x: quantized({ min: 0, max: 100, step: 0.25 }),
      y: quantized({ min: 0, max: 100, step: 0.25 }),
    },
    score: { points: uint(1000) },
  },
  inputs: {
    step: {
      dx: quantized({ min: -1, max: 1, step: 0.5 }),
      dy: quantized({ min: -1, max: 1, step: 0.5 }),
    },
  },
  clientMessages: { say: { text: text(40) } },
  serverMessages: { said: { who: uint(65535), text: text(40) } },
});

export const world = implementWorld(definition, {
  join(ctx, player) {
    player.entity = ctx.spawn({ position: { x: ctx.random.int(0, 100), y: 50 }, score: {} });
  },
  input: {
    step(_ctx, player, { dx, dy }) {
      const position = player.entity?.position;
      if (position === undefined) return;
      position.x = Math.min(100, Math.max(0, position.x + dx));
      position.y = Math.min(100, Math.max(0, position.y + dy));
      // @ts-expect-error: the definition knows no field z
      position.z = 1;
    },
  },
  message: {
    say(ctx, player, message) {
      ctx.broadcast("said", { who: player.id, text: message.text });
    },
  },
});

// @ts-expect-error: a handler for an input that the definition does not have
implementWorld(definition, { input: { jump() {} } });
