import { makeMembers } from "./members.ts";
import { MAX_MEMBERS } from "./options.ts";
import type { Members } from "./types.ts";

/** Longest id of a member, in characters. */
export const MAX_MEMBER_ID_LENGTH = 128;

/** The bytes of a `members` entry: JSON, the same for equal members. */
export function encodeMembers(members: Members): Uint8Array {
  const { voters, learners, incarnations } = makeMembers(
    members.voters,
    members.learners,
    members.incarnations,
  );
  return new TextEncoder().encode(JSON.stringify({ voters, learners, incarnations }));
}

export class MembersFormatError extends Error {
  constructor(what: string, cause?: unknown) {
    super(
      `a record of the group's members is damaged: ${what}. Restore this node from its peers: remove it and add it anew`,
      cause === undefined ? undefined : { cause },
    );
    this.name = "MembersFormatError";
  }
}

/** @throws MembersFormatError for anything `encodeMembers` does not write. */
export function decodeMembers(bytes: Uint8Array): Members {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw new MembersFormatError("it is no JSON", error);
  }
  return membersFrom(value);
}

/** Members from a decoded value, e.g. a part of a checkpoint's metadata. @throws MembersFormatError */
export function membersFrom(value: unknown): Members {
  if (!isRecord(value)) throw new MembersFormatError("it is no object");
  for (const key of Object.keys(value))
    if (key !== "voters" && key !== "learners" && key !== "incarnations")
      throw new MembersFormatError(`unknown field ${JSON.stringify(key)}`);
  const voters = ids(value["voters"], "voters");
  const learners = ids(value["learners"], "learners");
  const all = [...voters, ...learners];
  if (new Set(all).size !== all.length) throw new MembersFormatError("an id comes twice");
  if (all.length > MAX_MEMBERS) throw new MembersFormatError(`more than ${MAX_MEMBERS} members`);
  const incarnations: Record<string, number> = {};
  if (!isRecord(value["incarnations"])) throw new MembersFormatError("incarnations is no object");
  for (const [id, incarnation] of Object.entries(value["incarnations"])) {
    if (!all.includes(id)) throw new MembersFormatError(`an incarnation of a stranger, ${id}`);
    if (typeof incarnation !== "number" || !Number.isSafeInteger(incarnation) || incarnation < 1)
      throw new MembersFormatError(`the incarnation of ${id} is no positive integer`);
    incarnations[id] = incarnation;
  }
  return makeMembers(voters, learners, incarnations);
}

function ids(value: unknown, field: string): readonly string[] {
  if (!Array.isArray(value)) throw new MembersFormatError(`${field} is no list`);
  return value.map((id: unknown) => {
    if (typeof id !== "string" || id === "" || id.length > MAX_MEMBER_ID_LENGTH)
      throw new MembersFormatError(`${field} has an id that is no text of 1 to 128 characters`);
    return id;
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
