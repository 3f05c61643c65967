import { existsSync, writeFileSync } from "node:fs";
import { defineWorld, implementWorld, int, text } from "@atlasnet/world";

/** A world whose players ask for what may become of a session. */
export const definition = defineWorld({
  name: "hall",
  tickRate: 20,
  components: {},
  clientMessages: {
    say: { text: text(100) },
    kick: {},
    goTo: { world: text(40) },
    die: { marker: text(1_000) },
  },
  serverMessages: {
    said: { text: text(100) },
    left: { session: int(0, 1_000_000), reason: text(40) },
  },
});

export const world = implementWorld(definition, {
  leave: (ctx, { id }, reason) => ctx.broadcast("left", { session: id, reason }),
  message: {
    say: (_, player, said) => player.send("said", said),
    kick: (_, player) => player.kick("as it wished"),
    goTo: (_, player, { world: other }) => player.transfer(other),
    // Ends the thread that the world runs on; once, though the message is sent again.
    die: (_ctx, _player, { marker }) => {
      if (existsSync(marker)) return;
      writeFileSync(marker, "");
      process.exit();
    },
  },
});
