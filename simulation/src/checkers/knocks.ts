import type { LinkMessage } from "@atlasnet/core";
import type { SimPassage } from "@atlasnet/core/sim";

interface Knock {
  readonly shard: string;
  readonly to: string;
  /** Which one it is, among those of its channel. */
  readonly id: number | string;
}

/**
 * Who wants something of the shards of gameservers: knocks that were not answered yet. One may be on its way for as long
 * as a cut lasts, and wait at the gameserver until that knows what it is about, or that it may be answered.
 *
 * Of each sender, and for each shard, the newest counts: messages of a channel keep their order, so by the time that one
 * is answered, those before it have been, or were lost with their link. One that is lost is open until then.
 */
export class Knocks {
  /** By sender, gameserver and channel. */
  private readonly open = new Map<string, Knock>();

  /** A message left a node. The knock that it is, if it is one. */
  sent({ from, to, channel, message }: SimPassage): Pick<Knock, "shard" | "to"> | undefined {
    const answered = `${to} ${from} ${channel}`;
    const waiting = this.open.get(answered);
    if (waiting !== undefined && isAnswer(message, waiting.id)) this.open.delete(answered);
    switch (message.type) {
      case "attach":
      case "watch":
        return this.knock(`${from} ${to} ${channel}`, { ...message, to, id: message.attach });
      case "replica-open":
        return this.knock(`${from} ${to} ${channel}`, { ...message, to });
      default:
        return undefined;
    }
  }

  isOpen(shard: string, node: string): boolean {
    for (const knock of this.open.values())
      if (knock.shard === shard && knock.to === node) return true;
    return false;
  }

  private knock(key: string, { shard, to, id }: Knock): Knock {
    const knock = { shard, to, id };
    this.open.set(key, knock);
    return knock;
  }
}

function isAnswer(message: LinkMessage, id: Knock["id"]): boolean {
  switch (message.type) {
    case "attached":
    case "watching":
    case "closed":
      return message.attach === id;
    case "replica-close":
      return message.id === id;
    case "replica-copy":
      return true;
    default:
      return false;
  }
}
