import type { Attachment } from "./attachment.ts";
import type { SessionState } from "./session-state.ts";
import type { Topics } from "./topics.ts";

/** The clients and watchers attached to the shard, by proxy; at most one per session. */
export class AttachmentTable {
  private readonly topics: Topics;
  private readonly peers = new Map<number, Map<number, Attachment>>();
  private readonly bySession = new Map<number, Attachment>();

  constructor(topics: Topics) {
    this.topics = topics;
  }

  get byPeer(): ReadonlyMap<number, ReadonlyMap<number, Attachment>> {
    return this.peers;
  }

  get count(): number {
    let count = 0;
    for (const attachments of this.peers.values()) count += attachments.size;
    return count;
  }

  /** Attachments that hold a session. */
  get clientCount(): number {
    return this.bySession.size;
  }

  /** A list that no change touches. */
  all(): Attachment[] {
    return [...this.peers.values()].flatMap((attachments) => [...attachments.values()]);
  }

  ofPeer(peer: number): ReadonlyMap<number, Attachment> | undefined {
    return this.peers.get(peer);
  }

  /** The numbers of a proxy's attachments; a list that no change touches. */
  numbersOf(peer: number): number[] {
    return [...(this.peers.get(peer)?.keys() ?? [])];
  }

  get(peer: number, number: number): Attachment | undefined {
    return this.peers.get(peer)?.get(number);
  }

  ofSession(session: number): Attachment | undefined {
    return this.bySession.get(session);
  }

  insert(attachment: Attachment): void {
    const { peer, number, session } = attachment;
    let attachments = this.peers.get(peer);
    if (attachments === undefined) {
      attachments = new Map();
      this.peers.set(peer, attachments);
    }
    attachments.set(number, attachment);
    if (session !== undefined) this.bySession.set(session.id, attachment);
  }

  remove(peer: number, number: number): Attachment | undefined {
    const attachments = this.peers.get(peer);
    const attachment = attachments?.get(number);
    if (attachment === undefined) return undefined;
    attachments?.delete(number);
    if (attachments?.size === 0) this.peers.delete(peer);
    attachment.release(this.topics);
    const { session } = attachment;
    if (session !== undefined && this.bySession.get(session.id) === attachment)
      this.bySession.delete(session.id);
    return attachment;
  }

  /**
   * Makes everything derived anew; after an interruption nothing derived is trusted. Takes out and
   * returns the attachments whose session is no more.
   */
  rebuild(isAlive: (session: SessionState) => boolean): Attachment[] {
    this.bySession.clear();
    const all = this.all();
    const orphans: Attachment[] = [];
    for (const attachment of all) {
      const { session, peer, number } = attachment;
      if (session === undefined) continue;
      if (isAlive(session)) this.bySession.set(session.id, attachment);
      else {
        this.remove(peer, number);
        orphans.push(attachment);
      }
    }
    this.topics.recount(all);
    return orphans;
  }
}
