import type { CloseCode } from "@atlasnet/world";

export type LineCommand =
  | { type: "ping" }
  | { type: "auth"; ticket: string }
  | { type: "sub" | "unsub"; world: string; topic: string }
  /** A command of ours with something wrong in it. */
  | { type: "refused"; code: CloseCode }
  /** Anything else is answered with OK. */
  | { type: "other" };

/** One text line as a command (docs/protocol.md, section 9). */
export function parseLine(line: string): LineCommand {
  const [word = "", ...rest] = line.trim().split(/\s+/);
  const argument = rest.join(" ");
  switch (word) {
    case "PING":
      return { type: "ping" };
    case "AUTH":
      return argument === ""
        ? { type: "refused", code: "unauthorized" }
        : { type: "auth", ticket: argument };
    case "SUB":
    case "UNSUB": {
      const slash = argument.indexOf("/");
      if (slash < 1 || slash === argument.length - 1)
        return { type: "refused", code: "unknown-topic" };
      return {
        type: word === "SUB" ? "sub" : "unsub",
        world: argument.slice(0, slash),
        topic: argument.slice(slash + 1),
      };
    }
    default:
      return { type: "other" };
  }
}
