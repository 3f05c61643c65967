import type { Entry } from "../../core/types.ts";
import type { GroupMachine, MachineInstall } from "../ports.ts";

const PIECE_BYTES = 16 * 1024;

/** A state machine that remembers every command it was given, in order: what a test wants to know. */
export class LedgerMachine implements GroupMachine {
  commands: string[] = [];
  lastIndex = 0;
  installs = 0;

  apply(entries: readonly Entry[]): void {
    for (const { index, type, data } of entries) {
      if (index !== this.lastIndex + 1)
        throw new Error(`entry ${index} was applied after ${this.lastIndex}`);
      this.lastIndex = index;
      if (type === "command") this.commands.push(new TextDecoder().decode(data));
    }
  }

  freeze(): Iterable<Uint8Array> {
    // The generator runs late: it must not see what is applied meanwhile.
    return pieces([this.lastIndex, ...this.commands].join("\n"));
  }

  beginInstall(): MachineInstall {
    const decoder = new TextDecoder();
    let text = "";
    return {
      push: (bytes) => {
        text += decoder.decode(bytes, { stream: true });
      },
      finish: () => {
        const [first = "", ...commands] = text.split("\n");
        this.lastIndex = Number(first);
        this.commands = commands;
        this.installs++;
      },
    };
  }
}

function* pieces(text: string): Iterable<Uint8Array> {
  const all = new TextEncoder().encode(text);
  for (let at = 0; at < all.length; at += PIECE_BYTES) yield all.subarray(at, at + PIECE_BYTES);
}
