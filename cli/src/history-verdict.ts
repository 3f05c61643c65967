import { OperatingError } from "@atlasnet/core";
import type { HistoryVerdict } from "@atlasnet/history";

/** @throws OperatingError when a rule was broken; what was is in the table before it. */
export function assertUnbroken({ ok, violations }: HistoryVerdict): void {
  if (ok) return;
  throw new OperatingError("history-broken", `${violations} violations in the history`, {
    hint: "Messages were lost, doubled or out of order, or a rollback was not told: that is a bug. Please report it with the first violation above.",
  });
}
