import { atMost, between, type Goal } from "../lib/report.ts";
import { median, round } from "../lib/statistics.ts";
import { STEP } from "../worlds/arena-world.ts";
import type { CheckResult } from "./checker.ts";
import type { WindowResult } from "./generator.ts";
import { MOVE_RATE } from "./walker.ts";

/** One figure of the checks of some windows, all together. */
export function sumOfChecks(
  windows: readonly WindowResult[],
  pick: (check: CheckResult) => number,
): number {
  return windows.reduce((sum, { check }) => sum + (check === undefined ? 0 : pick(check)), 0);
}

/** What players see has to be right, whatever it costs. `paced`: windows whose rate of updates counts. */
export function viewGoals(
  windows: readonly WindowResult[],
  paced: readonly WindowResult[] = windows,
): Goal[] {
  return [
    between(
      "updates per second of an entity in view",
      MOVE_RATE * 0.97,
      MOVE_RATE * 1.03,
      round(median(paced.map(({ check }) => check?.updateRate ?? 0))),
    ),
    atMost(
      `positions off by more than ${STEP / 2}`,
      0,
      "",
      sumOfChecks(windows, (check) => check.wrongPositions),
    ),
    atMost(
      "entities missing in a view, or in it from afar",
      0,
      "",
      sumOfChecks(windows, (check) => check.missing + check.strays),
    ),
  ];
}
