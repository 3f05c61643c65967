import { RaftError } from "./raft-error.ts";

/** Follows a transfer of leadership to its end: the other leads, or the core has given it up. */
export class TransferWatch {
  private current:
    | { readonly to: string; resolve(): void; reject(error: RaftError): void }
    | undefined;

  /** The core allows one at a time. */
  begin(to: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.current = { to, resolve, reject };
    });
  }

  look(now: {
    readonly leader: string | undefined;
    readonly transferTo: string | undefined;
  }): void {
    const { current } = this;
    // No leader is known for a moment while the other is being elected.
    if (current === undefined || now.transferTo !== undefined || now.leader === undefined) return;
    this.current = undefined;
    if (now.leader === current.to) current.resolve();
    else
      current.reject(
        new RaftError("not-transferred", `${current.to} did not take over`, now.leader),
      );
  }

  stop(): void {
    this.current?.reject(new RaftError("stopped", "this node takes no part any more"));
    this.current = undefined;
  }
}
