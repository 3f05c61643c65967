import { readFileSync } from "node:fs";

const manifest: { version: string } = JSON.parse(
  readFileSync(new URL("../../package.json", import.meta.url), "utf8"),
);

/** The version of AtlasNet, as installed: its packages carry one version and depend on exactly that. */
export const version = manifest.version;
