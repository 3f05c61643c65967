/**
 * Why a connection or a session ended: the WebSocket close code, the code of the close message and
 * the `ERR` of text lines. `retry` says whether a client should come back by itself.
 */
export const closeCodes = {
  left: { code: 4000, retry: false, meaning: "the player left, or the client closed" },
  "bad-message": { code: 4001, retry: false, meaning: "a message that is not of this protocol" },
  "too-large": { code: 4002, retry: false, meaning: "a message above the size limit" },
  "rate-limited": { code: 4003, retry: false, meaning: "messages or bytes above the rate limit" },
  "handshake-timeout": { code: 4004, retry: true, meaning: "no complete hello in time" },
  "unsupported-version": { code: 4005, retry: false, meaning: "hello names an unknown version" },
  unauthorized: { code: 4006, retry: false, meaning: "no valid ticket or resume token" },
  "ticket-expired": { code: 4007, retry: false, meaning: "the ticket was good once" },
  "unknown-world": { code: 4008, retry: false, meaning: "no world of that name" },
  "schema-mismatch": { code: 4009, retry: false, meaning: "built against another definition" },
  superseded: { code: 4010, retry: false, meaning: "a newer connection took the session over" },
  "stale-attempt": { code: 4011, retry: false, meaning: "an older attempt than the session knows" },
  "session-lost": { code: 4012, retry: false, meaning: "the session is no more; join anew" },
  kicked: { code: 4013, retry: false, meaning: "the world removed the player" },
  "world-full": { code: 4014, retry: false, meaning: "no room for another session" },
  "world-failed": { code: 4015, retry: true, meaning: "the world is stopped after a fault" },
  "world-unavailable": { code: 4016, retry: true, meaning: "the world has no owner right now" },
  "too-many-connections": { code: 4017, retry: true, meaning: "connection limit reached" },
  "slow-consumer": {
    code: 4018,
    retry: true,
    meaning: "reliable messages piled up unacknowledged",
  },
  "idle-timeout": { code: 4019, retry: true, meaning: "nothing was heard from the client" },
  "shutting-down": { code: 4020, retry: true, meaning: "the server is stopping" },
  "out-of-state": { code: 4021, retry: false, meaning: "a message that has no place now" },
  "join-refused": { code: 4022, retry: false, meaning: "the world did not let the player in" },
  "internal-error": { code: 4023, retry: true, meaning: "a fault of the server" },
  "unknown-topic": { code: 4024, retry: false, meaning: "no such topic, or not a public one" },
} as const;

export type CloseCode = keyof typeof closeCodes;

const byNumber = new Map<number, CloseCode>(
  Object.entries(closeCodes).map(([name, { code }]) => [code, name as CloseCode]),
);

export function closeCodeOf(number: number): CloseCode | undefined {
  return byNumber.get(number);
}
