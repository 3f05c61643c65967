import { OperatingError } from "@atlasnet/core";
import type { NodePlace } from "./identity-files.ts";

export type IdentityErrorCode =
  | "no-identity"
  | "wrong-role"
  | "wrong-node"
  | "expired"
  | "not-yet-valid"
  | "unreadable-file"
  | "key-mismatch"
  | "foreign-ca"
  | "other-cluster";

/** What stands in the way of a node's identity, with the command that helps. */
export function identityError(
  code: IdentityErrorCode,
  place: NodePlace,
  message: string,
  cause?: unknown,
): OperatingError {
  const { dir, role, node } = place;
  const facts = { dir, role, node };
  return new OperatingError(code, message, { facts, hint: hintFor(code, place), cause });
}

function hintFor(code: IdentityErrorCode, { dir, role, node }: NodePlace): string {
  const issue = `atlasnet ca issue --role ${role} --node ${node} --out ${dir}`;
  const token = `atlasnet ca token --role ${role} --node ${node}`;
  const remove = `remove ${node}.crt and ${node}.key in ${dir}`;
  switch (code) {
    case "no-identity":
      return `Where the CA is: \`atlasnet ca serve\` and \`${token}\`, then start this node with --join TOKEN. On one machine: start it with --ca FOLDER (made by \`atlasnet ca init\`).`;
    case "wrong-role":
    case "wrong-node":
      return `Give this node another node.id or identity.dir; or ${remove}, and make new ones where the CA is: \`${issue}\`.`;
    case "expired":
      return `Where the CA is: \`${token}\`, then start this node with --join TOKEN; or, with the CA's folder on this machine, \`atlasnet ca renew --node ${node} --identity ${dir}\`.`;
    case "not-yet-valid":
      return `Set this machine's clock. If it is right, the CA's clock was wrong: set that, ${remove}, and make new ones there: \`${issue}\`.`;
    case "unreadable-file":
    case "key-mismatch":
      return `Put a good copy back; or ${remove}, and make new ones where the CA is: \`${issue}\`.`;
    case "foreign-ca":
    case "other-cluster":
      return `Name another identity.dir; or, if the cluster was made anew, ${remove}, and ca.crt, too, and start again.`;
  }
}
