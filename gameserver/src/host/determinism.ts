/**
 * In development, what would make a world differ from its replica is refused by name while world code
 * runs: the clock, Math.random and timers (design rule 3.1). Code outside of worlds keeps them.
 */

let insideWorld = false;

const advice: { [name: string]: string } = {
  "Math.random": "use ctx.random.float()",
  "Date.now": "use ctx.time",
  "new Date": "use ctx.time",
  "Date()": "use ctx.time",
  "performance.now": "use ctx.time",
  setTimeout: "use ctx.after(ticks, name)",
  setInterval: "use ctx.after(ticks, name)",
  setImmediate: "use ctx.after(ticks, name)",
  fetch: "use ctx.request(service, payload)",
};

function refuse(name: string): void {
  if (insideWorld)
    throw new Error(
      `${name} is not allowed in a world, its state would depend on it: ${advice[name]}`,
    );
}

/** Replaces the functions of this thread. Called once per thread, in development only. */
export function forbidNondeterminism(): void {
  const wrap = <K extends string>(owner: { [P in K]: unknown }, key: K, name: string) => {
    const original = owner[key];
    if (typeof original !== "function") return;
    owner[key] = function replaced(this: unknown, ...args: unknown[]): unknown {
      refuse(name);
      return Reflect.apply(original, this, args);
    };
  };
  wrap(Math, "random", "Math.random");
  wrap(Date, "now", "Date.now");
  wrap(performance, "now", "performance.now");
  for (const name of ["setTimeout", "setInterval", "setImmediate", "fetch"] as const)
    wrap(globalThis, name, name);
  globalThis.Date = new Proxy(Date, {
    apply(target, self, args): unknown {
      refuse("Date()");
      return Reflect.apply(target, self, args);
    },
    construct(target, args, newTarget): object {
      if (args.length === 0) refuse("new Date");
      return Reflect.construct(target, args, newTarget);
    },
  });
}

/** Runs world code with the refusals in force. */
export function withinWorld<T>(run: () => T): T {
  insideWorld = true;
  try {
    return run();
  } finally {
    insideWorld = false;
  }
}
