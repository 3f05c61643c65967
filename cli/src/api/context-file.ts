import { randomUUID } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { OperatingError } from "@atlasnet/core";
import { parse, stringify, TomlError } from "smol-toml";
import * as v from "valibot";
import type { CliIo } from "../cli-io.ts";
import { UsageError } from "../usage-error.ts";

/** A cluster as the operator named it. */
export interface Context {
  readonly addresses: readonly string[];
  readonly token?: string | undefined;
  /** Absolute paths. */
  readonly tokenFile?: string | undefined;
  readonly ca?: string | undefined;
}

const contextSchema = v.strictObject({
  addresses: v.pipe(v.array(v.string()), v.minLength(1), v.maxLength(32)),
  token: v.optional(v.string()),
  tokenFile: v.optional(v.string()),
  ca: v.optional(v.string()),
});
const fileSchema = v.strictObject({
  current: v.optional(v.string()),
  contexts: v.optional(v.record(v.string(), contextSchema), {}),
});

const EXAMPLE = `current = "prod"
  [contexts.prod]
  addresses = ["https://10.0.0.1:8080", "https://10.0.0.2:8080"]
  tokenFile = "prod.token"
  ca = "prod-ca.crt"`;

/** `ATLASNET_CONTEXTS`, or where the system keeps what belongs to a user. */
export function contextsFile({ env, workingDir }: CliIo): string {
  const { ATLASNET_CONTEXTS: named, XDG_CONFIG_HOME: xdg, APPDATA: windows } = env;
  if (named) return resolve(workingDir, named);
  if (xdg) return join(xdg, "atlasnet", "contexts.toml");
  if (windows) return join(windows, "atlasnet", "contexts.toml");
  const home = env["HOME"] ?? env["USERPROFILE"] ?? workingDir;
  return join(home, ".config", "atlasnet", "contexts.toml");
}

/**
 * The context with this name; without one, that which the file calls current, or undefined when it names none.
 * @throws UsageError for a name that is not there; OperatingError "bad-contexts"
 */
export async function readContext(
  io: CliIo,
  name: string | undefined,
): Promise<Context | undefined> {
  const file = contextsFile(io);
  const text = await textOf(file);
  const { current, contexts } = text === undefined ? { contexts: {} } : parsed(file, text);
  const chosen = name ?? current;
  if (chosen === undefined) return undefined;
  const found = Object.hasOwn(contexts, chosen) ? contexts[chosen] : undefined;
  if (found === undefined) {
    const known = Object.keys(contexts).join(", ") || "none";
    throw new UsageError(
      `context: ${file} has no context "${chosen}"; there are: ${known}`,
      `It looks like this:\n  ${EXAMPLE}`,
    );
  }
  const folder = dirname(file);
  const { tokenFile, ca } = found;
  return {
    ...found,
    ...(tokenFile === undefined ? {} : { tokenFile: resolve(folder, tokenFile) }),
    ...(ca === undefined ? {} : { ca: resolve(folder, ca) }),
  };
}

/** The contexts file as it is written: paths as in the file. */
export interface ContextsFile {
  readonly current?: string | undefined;
  readonly contexts: { readonly [name: string]: Context };
}

/** Nothing is there: no contexts. @throws OperatingError "bad-contexts" */
export async function readContexts(io: CliIo): Promise<ContextsFile> {
  const file = contextsFile(io);
  const text = await textOf(file);
  return text === undefined ? { contexts: {} } : parsed(file, text);
}

/**
 * Writes the file as a whole, for this user's eyes only: a token may be in it. Comments of before are gone.
 * @throws OperatingError "bad-contexts"
 */
export async function writeContexts(io: CliIo, { current, contexts }: ContextsFile): Promise<void> {
  const file = contextsFile(io);
  const draft = `${file}.${randomUUID()}`;
  const kept = Object.fromEntries(
    Object.entries(contexts).map(([name, context]) => [
      name,
      Object.fromEntries(Object.entries(context).filter(([, value]) => value !== undefined)),
    ]),
  );
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    await writeFile(
      draft,
      `${stringify({ ...(current !== undefined && { current }), contexts: kept })}\n`,
      { mode: 0o600, flag: "wx" },
    );
    await rename(draft, file);
  } catch (cause) {
    await rm(draft, { force: true });
    throw bad(file, "cannot be written", cause);
  }
}

async function textOf(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined;
    throw bad(file, "cannot be read", cause);
  }
}

function parsed(file: string, text: string): v.InferOutput<typeof fileSchema> {
  try {
    const result = v.safeParse(fileSchema, parse(text));
    if (result.success) return result.output;
    const [issue] = result.issues;
    throw bad(file, `${v.getDotPath(issue) ?? "file"}: ${issue.message}`);
  } catch (error) {
    if (error instanceof TomlError) throw bad(file, `line ${error.line} is not TOML`, error);
    throw error;
  }
}

function bad(file: string, problem: string, cause?: unknown): OperatingError {
  return new OperatingError("bad-contexts", `${file}: ${problem}`, {
    cause,
    hint: `It looks like this:\n  ${EXAMPLE}`,
  });
}
