import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { root } from "./workspace.mjs";

/** What a script tells its user before it ends with `exitCode`: no stack trace, it is not a bug here. */
export class ScriptError extends Error {
  constructor(message, exitCode = 1) {
    super(message);
    this.name = "ScriptError";
    this.exitCode = exitCode;
  }
}

/**
 * Runs a program and shares this terminal with it.
 * @param {string} command absolute path of the program, or a name on the PATH
 * @param {string[]} args
 * @param {{cwd?: string, env?: NodeJS.ProcessEnv, capture?: boolean}} options with `capture` the
 *   standard output is returned instead of shown
 * @returns {Promise<string>} the captured output, empty without `capture`
 * @throws ScriptError
 */
export async function run(command, args, { cwd = root, env = process.env, capture = false } = {}) {
  const child = spawn(command, args, {
    cwd,
    env,
    stdio: ["inherit", capture ? "pipe" : "inherit", "inherit"],
    windowsHide: true,
  });
  const chunks = [];
  child.stdout?.on("data", (chunk) => chunks.push(chunk));
  const exitCode = await exitOf(child);
  const name = [path.basename(command), ...args.map((a) => path.basename(a))].slice(0, 3).join(" ");
  if (exitCode !== 0) throw new ScriptError(`${name} failed with exit code ${exitCode}`, exitCode);
  return Buffer.concat(chunks).toString("utf8");
}

/** Runs a JavaScript file with this Node. */
export function runNode(args, options) {
  return run(process.execPath, args, options);
}

/**
 * Runs npm with this Node, never through a shell: on Windows `npm` is a batch file that `spawn`
 * refuses, and quoting for cmd.exe is a trap.
 */
export function npm(args, options = {}) {
  const env = { npm_config_loglevel: "error", ...process.env, ...options.env };
  return runNode([npmCli(), ...args], { ...options, env });
}

function npmCli() {
  const fromNpm = process.env["npm_execpath"];
  if (fromNpm !== undefined && path.basename(fromNpm) === "npm-cli.js") return fromNpm;
  const bin = path.dirname(process.execPath);
  const candidates = [
    path.join(bin, "node_modules", "npm", "bin", "npm-cli.js"),
    path.join(bin, "..", "lib", "node_modules", "npm", "bin", "npm-cli.js"),
    path.join(bin, "..", "share", "nodejs", "npm", "bin", "npm-cli.js"),
  ];
  const found = candidates.find((file) => existsSync(file));
  if (found === undefined)
    throw new ScriptError(
      `npm was not found beside ${process.execPath}. Run this as an npm script (npm test, npm start), or install npm.`,
    );
  return found;
}

/** The exit code of a child; a death by signal counts as 128 + 15, as shells tell SIGTERM. */
export function exitOf(child) {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? 143));
  });
}

/** Runs a script's main function: a ScriptError ends it with a message and an exit code. */
export async function main(body) {
  try {
    await body();
  } catch (error) {
    if (error instanceof ScriptError) {
      console.error(error.message);
      process.exitCode = error.exitCode;
      return;
    }
    console.error(error);
    process.exitCode = 1;
  }
}
