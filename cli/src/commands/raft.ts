import type { Command } from "commander";
import type { CliIo } from "../cli-io.ts";
import { addStatusCommand } from "./status.ts";

/** `atlasnet raft`: the group of the apiservers. */
export function addRaftCommand(program: Command, io: CliIo): void {
  const raft = program.command("raft").description("the group that the apiservers form");
  addStatusCommand(raft, io);
}
