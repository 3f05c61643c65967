// Neither package has types; liferaft.ts and the tests say what of them we use.
declare module "@markwylde/liferaft" {
  const LifeRaft: unknown;
  export = LifeRaft;
}

declare module "@markwylde/liferaft/log.js" {
  const Log: unknown;
  export = Log;
}

declare module "memdown" {
  const memdown: (location: string) => unknown;
  export = memdown;
}
