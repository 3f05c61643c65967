import { cpus, totalmem } from "node:os";

export interface Goal {
  name: string;
  /** What is asked for, as text. */
  goal: string;
  value: number;
  met: boolean;
}

/** A goal that some figure is at most so large. */
export function atMost(name: string, limit: number, unit: string, value: number): Goal {
  return { name, goal: `≤ ${limit}${unit === "" ? "" : ` ${unit}`}`, value, met: value <= limit };
}

export function between(name: string, low: number, high: number, value: number): Goal {
  return { name, goal: `${low} to ${high}`, value, met: value >= low && value <= high };
}

export interface Report {
  bench: string;
  settings: { [name: string]: string | number };
  figures: { [name: string]: unknown };
  goals: readonly Goal[];
}

export function machine() {
  const [first] = cpus();
  return {
    cpu: first?.model ?? "unknown",
    cores: cpus().length,
    memoryGB: Math.round(totalmem() / 1e9),
    os: `${process.platform} ${process.arch}`,
    node: process.version,
  };
}

/** Prints the goals for people, then everything as the last line for programs. */
export function printReport(report: Report): void {
  const { bench, settings, figures, goals } = report;
  console.log("");
  for (const { name, goal, value, met } of goals)
    console.log(`${met ? "met    " : "NOT MET"}  ${name}: ${value} (goal ${goal})`);
  console.log("");
  console.log(JSON.stringify({ bench, machine: machine(), settings, figures, goals }));
}
