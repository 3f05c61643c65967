import type { Link, LinkNetwork } from "../../link/link.ts";
import { LinkError } from "../../link/link-error.ts";
import type { Clock } from "../../ports/clock.ts";

/** Opens a link; one that comes too late, or to a process that stops, is closed. @throws LinkError and what the network throws */
export function connectWithin(
  patienceMs: number,
  node: string,
  {
    network,
    clock,
    isStopped,
  }: {
    readonly network: Pick<LinkNetwork, "connect">;
    readonly clock: Clock;
    readonly isStopped: () => boolean;
  },
): Promise<Link> {
  return new Promise((resolve, reject) => {
    const unreachable = (why: string) => reject(new LinkError("unreachable", why, node));
    let isLate = false;
    const timer = clock.setTimer(patienceMs, () => {
      isLate = true;
      unreachable(`${node} did not answer in ${patienceMs} ms`);
    });
    network.connect(node).then(
      (link) => {
        timer.cancel();
        if (!isLate && !isStopped()) return resolve(link);
        link.close({ code: "closed", detail: "nobody waits for it any more" });
        unreachable("the process stops");
      },
      (error: unknown) => {
        timer.cancel();
        reject(error);
      },
    );
  });
}
