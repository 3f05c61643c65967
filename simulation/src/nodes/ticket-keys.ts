import type { ResumeClaims, TicketClaims, TicketKeys, Verified } from "@atlasnet/core";

/** Keys that all proxies of a simulation share: tokens are plain text, for nobody in it forges any. */
export const simTicketKeys: TicketKeys = {
  issue: async (claims) => JSON.stringify(claims),
  verify: async (ticket) => read<TicketClaims>(ticket),
  signResume: async (claims) => JSON.stringify(claims),
  verifyResume: async (token) => read<ResumeClaims>(token),
};

function read<T>(text: string): Verified<T> {
  try {
    const claims: T = JSON.parse(text);
    return { ok: true, claims };
  } catch (error) {
    return { ok: false, code: "unauthorized", reason: String(error) };
  }
}
