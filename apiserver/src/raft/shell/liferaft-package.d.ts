// The package is CommonJS without types; liferaft.ts says what of it we use.
declare module "@markwylde/liferaft" {
  const LifeRaft: unknown;
  export = LifeRaft;
}
