import { readFile } from "node:fs/promises";
import { availableParallelism, hostname } from "node:os";
import { dirname, resolve } from "node:path";
import { parse, TomlError } from "smol-toml";
import { buildConfig, type LoadedConfig } from "../config/build-config.ts";
import { ConfigError } from "../config/config-error.ts";
import type { ConfigFile, ConfigFlag } from "../config/gathering.ts";
import type { HostFacts } from "../config/setting.ts";
import { tomlLines } from "../config/toml-lines.ts";

/** Largest configuration file. */
const MAX_FILE_BYTES = 1_048_576;

export interface LoadConfigOptions {
  /** The configuration file; `ATLASNET_CONFIG` where it is not given; none is fine. */
  readonly file?: string;
  readonly env?: { readonly [name: string]: string | undefined };
  readonly flags?: readonly ConfigFlag[];
  /** Folder that relative paths start from. */
  readonly workingDir?: string;
}

/**
 * Reads file, environment and flags into one frozen configuration.
 * @throws ConfigError with every problem: where, which field, what was found, what is allowed.
 */
export async function loadConfig(options: LoadConfigOptions = {}): Promise<LoadedConfig> {
  const { env = process.env, flags = [], workingDir = process.cwd() } = options;
  const path = options.file ?? (env["ATLASNET_CONFIG"] || undefined);
  const host: HostFacts = {
    hostname: hostname(),
    cores: availableParallelism(),
    workingDir,
    resolvePath: resolve,
  };
  if (path === undefined) return buildConfig({ env, flags }, host);
  return buildConfig({ file: await readConfigFile(path, workingDir), env, flags }, host);
}

async function readConfigFile(name: string, workingDir: string): Promise<ConfigFile> {
  const path = resolve(workingDir, name);
  const text = await readText(name, path);
  try {
    return { name, folder: dirname(path), table: parse(text), line: tomlLines(text) };
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const line = error.line;
    // The message goes on with a drawing of the place over several lines, which the line number says too.
    const [problem = error.message] = error.message.split("\n");
    throw new ConfigError([{ origin: { kind: "file", file: name, line }, field: "", problem }], {
      cause: error,
    });
  }
}

async function readText(name: string, path: string): Promise<string> {
  const refuse = (problem: string, cause?: unknown) =>
    new ConfigError(
      [{ origin: { kind: "file", file: name, line: undefined }, field: "", problem }],
      { cause },
    );
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw refuse(`cannot be read: ${readProblem(error, path)}`, error);
  }
  if (bytes.length > MAX_FILE_BYTES)
    throw refuse(`has ${bytes.length} bytes, allowed: at most ${MAX_FILE_BYTES}`);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw refuse("is not UTF-8 text; save it as UTF-8", error);
  }
}

function readProblem(error: unknown, path: string): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  switch (code) {
    case "ENOENT":
      return `no such file (${path}). \`atlasnet config example\` prints one to start from`;
    case "EISDIR":
      return "it is a folder; name the file in it";
    case "EACCES":
    case "EPERM":
      return "no permission; make it readable for this user";
    default:
      return error instanceof Error ? error.message : String(error);
  }
}
