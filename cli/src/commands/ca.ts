import type { Command } from "commander";
import { addCaInit } from "../ca/init.ts";
import { addCaIssue } from "../ca/issue.ts";
import { addCaLs } from "../ca/ls.ts";
import { addCaRenew } from "../ca/renew.ts";
import { addCaServe } from "../ca/serve.ts";
import { addCaToken } from "../ca/token.ts";
import type { CliIo } from "../cli-io.ts";

/** `atlasnet ca`: the CA of a cluster, in a folder, and what it gives to nodes. */
export function addCaCommand(program: Command, io: CliIo): void {
  const ca = program
    .command("ca")
    .description("the cluster's CA: certificates by which proxies and gameservers know each other");
  addCaInit(ca, io);
  addCaIssue(ca, io);
  addCaLs(ca, io);
  addCaRenew(ca, io);
  addCaToken(ca, io);
  addCaServe(ca, io);
}
